//! The program `mnasnet`: reads the command line, calls the libraries, prints, and is the only part that exits.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod compare;
mod console;
mod convert;
mod data;
mod eval;
mod export;
mod failure;
mod info;
mod init;
mod model_file;
mod predict;
mod ranks;
mod report;
mod settings;
mod train;
mod verify_run;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::ranks::{alone, another_tells, linger, together};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if another_tells() => {
            linger();
            return ExitCode::from(error.exit_code() as u8);
        }
        Err(error) => {
            // What it has to say is on its way; nobody is left to tell if that fails.
            let _ = error.print();
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let text = error.to_string();
                console::print_error(text.lines().next().unwrap_or_default().trim_start_matches("error: "));
            }
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let json = arguments.command.json();
    let outcome = match arguments.command {
        Command::Train(args) => together(json, |group| train::run(&args, group)),
        Command::Eval(args) => together(json, |group| eval::run(&args, group)),
        Command::EvalOnnx(args) => together(json, |group| eval::run_onnx(&args, group)),
        Command::Bench(args) => together(json, |group| bench::run(&args, group)),
        Command::VerifyRun(args) => alone(|| verify_run::run(&args)),
        Command::Predict(args) => alone(|| predict::run(&args)),
        Command::Compare(args) => alone(|| compare::run(&args)),
        Command::Convert(args) => alone(|| convert::run(&args)),
        Command::Export(args) => alone(|| export::run(&args)),
        Command::Info(args) => alone(|| info::run(&args)),
        Command::Data(args) => alone(|| data::run(&args)),
    };
    match outcome {
        Ok(exit) => exit,
        // Whoever read our output has seen enough (`| head`): no error.
        Err(Failure::BrokenPipe) => Exit::Success.into(),
        Err(failure) => {
            console::tell(&format!("error: {failure}"));
            if json {
                console::print_error(&failure.to_string());
            }
            failure.exit().into()
        }
    }
}
