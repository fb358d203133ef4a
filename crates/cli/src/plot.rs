//! `mnasnet plot`: curves of runs as a picture.

use std::path::Path;

use mnasnet_report::plot;
use mnasnet_report::run::data::State;
use mnasnet_report::run::follow::Follower;
use mnasnet_weights_file::write_bytes;

use crate::args::PlotArgs;
use crate::console::{print_sentences, shell_word};
use crate::failure::{Exit, Failure};
use crate::paths;
use crate::run_page::names;
use crate::watch::of_run;

/// Draws the picture.
pub fn run(args: &PlotArgs) -> Result<Exit, Failure> {
    let out = &args.out;
    paths::output(out)?;
    let ending = out
        .extension()
        .and_then(|ending| ending.to_str())
        .map(str::to_ascii_lowercase);
    let is_png = match ending.as_deref() {
        Some("png") => true,
        Some("svg") => false,
        _ => {
            return Err(Failure::Usage(format!(
                "{} does not say which kind of picture it is to be; say `-o {}` or `-o {}`",
                out.display(),
                shell_word(out.with_extension("svg")),
                shell_word(out.with_extension("png"))
            )));
        }
    };
    if args.runs.len() > plot::RUNS {
        return Err(Failure::Usage(format!(
            "a picture has colours for {} runs, and {} are given; draw them in two pictures",
            plot::RUNS,
            args.runs.len()
        )));
    }
    let mut followers = Vec::new();
    for (folder, name) in args.runs.iter().zip(names(&args.runs)) {
        followers.push(read(folder, &name)?);
    }
    let runs: Vec<_> = followers.iter().map(|follower| follower.data(State::Stopped)).collect();
    let bytes = match is_png {
        true => plot::png(&runs)?,
        false => plot::svg(&runs).into_bytes(),
    };
    write_bytes(out, &bytes)?;
    print_sentences(&format!("curves: {}", out.display()))?;
    Ok(Exit::Success)
}

fn read(folder: &Path, name: &str) -> Result<Follower, Failure> {
    of_run(folder)?;
    let mut follower = Follower::new(folder, name);
    let refused = |error| Failure::Usage(format!("cannot read metrics.jsonl in {}: {error}", folder.display()));
    follower.refresh().map_err(refused)?;
    Ok(follower)
}
