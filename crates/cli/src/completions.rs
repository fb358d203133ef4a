//! `mnasnet completions`: the script of a shell, from the definition of the command line.

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArgs};
use crate::console::print;
use crate::failure::{Exit, Failure};

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "mnasnet", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Success)
}
