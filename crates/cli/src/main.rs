//! The program `mnasnet`: reads the command line, calls the libraries, prints, and is the only part that exits.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod console;
mod convert;
mod data;
mod eval;
mod failure;
mod info;
mod init;
mod model_file;
mod predict;
mod report;
mod settings;
mod train;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::failure::{Exit, Failure};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Data(args) => data::run(&args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough (`| head`): no error.
        Err(Failure::BrokenPipe) => Exit::Success.into(),
        Err(failure) => {
            console::tell(&format!("error: {failure}"));
            failure.exit().into()
        }
    }
}
