//! What a command that writes may replace: one rule for `convert`, `export` and `embed`.

use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_weights_file::is_ours;

use crate::console::shell_word;
use crate::failure::Failure;

/// Endings of files that no run has of its own: of these, what this program wrote into a run's folder may be replaced.
const NEVER_A_RUNS: &[&str] = &["csv", "npy", "onnx", "parquet", "pq"];

/// Files of a folder of Hugging Face's that are written.
const OF_A_FOLDER: &[&str] = &["model.safetensors", "config.json"];

/// Refuses to write `output` where that would destroy what is `read`, a part of a run, or, unless it is asked for, a file that this
/// program did not write. `written` are the files: `output` itself, or those in it.
///
/// # Errors
/// [`Failure::Usage`].
pub fn allowed(output: &Path, read: &[&Path], overwrite: bool) -> Result<(), Failure> {
    allowed_by(output, read, overwrite, is_ours)
}

/// The same for other kinds of files: `is_ours` says which of them this program wrote.
///
/// # Errors
/// [`Failure::Usage`].
pub fn allowed_by(
    output: &Path,
    read: &[&Path],
    overwrite: bool,
    is_ours: impl Fn(&Path) -> bool,
) -> Result<(), Failure> {
    let refused = |sentence: String| Err(Failure::Usage(sentence));
    if let Some(read) = read.iter().find(|read| is_same(read, output)) {
        return refused(format!(
            "{} is what is read; give what is written another name",
            read.display()
        ));
    }
    if !output.is_file() {
        return Ok(());
    }
    let ending = output.extension().and_then(|ending| ending.to_str());
    let is_nobodys = ending.is_some_and(|ending| NEVER_A_RUNS.contains(&ending));
    if let Some(run) = run_of(output)
        && !(is_nobodys && is_ours(output))
    {
        return refused(format!(
            "{} belongs to the run in {}, which needs it; give another name",
            output.display(),
            run.display()
        ));
    }
    match overwrite || is_ours(output) {
        true => Ok(()),
        false => refused(format!(
            "{} is there, and it does not say that this program wrote it; give another name, or replace it by `--overwrite`",
            output.display()
        )),
    }
}

/// The same for a folder of Hugging Face's: an empty one or a new one, or one that holds such weights already.
///
/// # Errors
/// [`Failure::Usage`].
pub fn folder_allowed(output: &Path, read: &[&Path], overwrite: bool) -> Result<(), Failure> {
    let files: Vec<PathBuf> = OF_A_FOLDER.iter().map(|name| output.join(name)).collect();
    if let Some(read) = read
        .iter()
        .find(|read| is_same(read, output) || is_same(read, &files[0]))
    {
        return Err(Failure::Usage(format!(
            "{} is what is read; give what is written another name",
            read.display()
        )));
    }
    let entries = || fs::read_dir(output).into_iter().flatten().flatten();
    if entries().next().is_none() {
        return Ok(());
    }
    let holds = |file: &PathBuf| file.is_file();
    match (files.iter().all(holds), overwrite) {
        (true, true) => Ok(()),
        (true, false) => Err(Failure::Usage(format!(
            "{} holds weights already; give another name, or replace them by `--overwrite`",
            output.display()
        ))),
        (false, _) => Err(Failure::Usage(format!(
            "{} holds other things, among which weights would lie; give a new folder, such as {}",
            output.display(),
            shell_word(output.join("weights"))
        ))),
    }
}

/// Whether two paths are one file or folder that is there.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(one).is_some() && real(one) == real(other)
}

/// The run that a file lies in.
fn run_of(file: &Path) -> Option<PathBuf> {
    let real = file.canonicalize().ok()?;
    let is_run = |folder: &&Path| {
        ["config.toml", "run.json"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    real.ancestors().skip(1).find(is_run).map(Path::to_owned)
}
