//! `mnasnet completions` and `mnasnet man`: a shell's script and manual pages, from the definition of the command line.

use std::fs;

use crate::args::{CompletionsArgs, ManArgs};
use crate::console::print;
use crate::failure::{Exit, Failure};
use crate::{flags, paths};

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut flags::command(), "mnasnet", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Success)
}

/// Writes a page a command.
pub fn pages(args: &ManArgs) -> Result<Exit, Failure> {
    let failed = |source| Failure::Write {
        path: args.folder.clone(),
        source,
    };
    paths::output(&args.folder)?;
    paths::folder(&args.folder, "the manual pages go to a folder")?;
    fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(flags::command(), &args.folder).map_err(failed)?;
    Ok(Exit::Success)
}
