//! The program `mnasnet`: reads the command line, calls the libraries, prints, and is the only part that exits.
#![deny(unsafe_code)]

mod args;
mod asked;
mod bench;
mod clock;
mod compare;
mod completions;
mod console;
mod convert;
mod data;
mod device;
mod devices;
mod embed;
mod eval;
mod export;
mod failure;
mod flags;
mod info;
mod init;
mod interrupt;
mod model_file;
mod outcomes;
mod paths;
mod plan;
mod plot;
mod predict;
mod pretrained;
mod ranks;
mod refusal;
mod replacing;
mod report;
mod rules;
mod run_page;
mod settings;
mod train;
mod verify_run;
mod watch;

use std::process::ExitCode;

use crate::args::Command;
use crate::asked::Asked;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::ranks::{alone, refused, together};

#[allow(unsafe_code)]
fn main() -> ExitCode {
    // SAFETY: nothing has started a thread yet.
    unsafe { mnasnet_gpu::hush_drivers() };
    let interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return console::failed(&Failure::Io("listen to signals", error), "", false).into(),
    };
    let (asked, command) = Asked::read();
    if !matches!(command, Ok(Command::Train(_))) {
        interrupt.plain();
    }
    let outcome = match command {
        Err(failure) => refused(&asked, failure),
        Ok(Command::Train(args)) => together(&asked, |group| train::run(&args, interrupt, group)),
        Ok(Command::Eval(args)) => together(&asked, |group| eval::run(&args, group)),
        Ok(Command::EvalOnnx(args)) => together(&asked, |group| eval::run_onnx(&args, group)),
        Ok(Command::Bench(args)) => together(&asked, |group| bench::run(&args, group)),
        Ok(Command::VerifyRun(args)) => alone(&asked, || verify_run::run(&args)),
        Ok(Command::Predict(args)) => alone(&asked, || predict::run(&args)),
        Ok(Command::Embed(args)) => alone(&asked, || embed::run(&args, interrupt)),
        Ok(Command::Compare(args)) => alone(&asked, || compare::run(&args)),
        Ok(Command::Convert(args)) => alone(&asked, || convert::run(&args)),
        Ok(Command::Export(args)) => alone(&asked, || export::run(&args)),
        Ok(Command::Info(args)) => alone(&asked, || info::run(&args)),
        Ok(Command::Plot(args)) => alone(&asked, || plot::run(&args)),
        Ok(Command::Watch(args)) => alone(&asked, || watch::run(&args)),
        Ok(Command::Devices(args)) => alone(&asked, || devices::run(&args)),
        Ok(Command::Data(args)) => alone(&asked, || data::run(&args)),
        Ok(Command::Completions(args)) => alone(&asked, || completions::run(&args)),
        Ok(Command::Man(args)) => alone(&asked, || completions::pages(&args)),
    };
    match outcome {
        Ok(exit) => exit,
        // Whoever read our output has seen enough (`| head`): no error.
        Err(Failure::BrokenPipe) => Exit::Success.into(),
        Err(failure) => console::failed(&failure, "", asked.json).into(),
    }
}
