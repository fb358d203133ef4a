//! Commands that several ranks carry out together, and how those end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mnasnet_engine::{Cpu, Device};
use mnasnet_group::{Group, Launched, Watch};
use mnasnet_train::together::{alike, alike_settings};
use mnasnet_train::train::TrainError;

use crate::asked::Asked;
use crate::console::{failed, tell};
use crate::failure::{Exit, Failure};

/// How long ranks that have nothing to tell outlive what has ended them all: a launcher ends the others when the first one fails, and
/// rank 0 tells why.
const TELLING: Duration = Duration::from_millis(500);

/// Calls `command` with all ranks that a launcher of MPI started, or alone. Ranks that were asked for different things, or have
/// different instruction sets, are refused.
pub fn together(asked: &Asked, command: impl FnOnce(&mut Group) -> Result<Exit, Failure>) -> Result<ExitCode, Failure> {
    match join(asked) {
        Ok(group) => carry_out(asked, group, command),
        Err(failure) => only_once(failure, asked.json),
    }
}

/// Calls a `command` that knows nothing of ranks.
pub fn alone(asked: &Asked, command: impl FnOnce() -> Result<Exit, Failure>) -> Result<ExitCode, Failure> {
    match others() {
        None => command().map(ExitCode::from),
        Some(Launched { launcher, .. }) => together(asked, |group| match group.size() {
            1 => command(),
            _ => agree(
                group,
                Err(Failure::Usage(format!(
                    "{launcher} started this as one of several ranks, but only `train`, `eval`, `eval-onnx` and `bench train` share \
                     their work"
                ))),
            ),
        }),
    }
}

/// Ends with what is wrong with the command line, or with the help that it asks for: told once, where all ranks have the same.
pub fn refused(asked: &Asked, error: clap::Error) -> Result<ExitCode, Failure> {
    let failure = Failure::CommandLine(error);
    if others().is_none() {
        return Err(failure);
    }
    match join(asked) {
        Ok(group) => carry_out(asked, group, |group| agree(group, Err(failure))),
        Err(_) => only_once(failure, asked.json),
    }
}

/// The launcher that started others beside this process, by its word, where they all are ranks of MPI.
fn others() -> Option<Launched> {
    Launched::detect().filter(|launched| launched.is_mpis && !launched.is_alone())
}

fn join(asked: &Asked) -> Result<Group, Failure> {
    let watch = Watch {
        timeout: asked.patience,
        tell: Arc::new(|text| {
            tell(&format!(
                "error: {text}; the same command again goes on from the last checkpoint"
            ))
        }),
        exit_code: Exit::Ranks as i32,
    };
    Group::join(watch).map_err(|error| Failure::Usage(error.to_string()))
}

fn carry_out(
    asked: &Asked,
    mut group: Group,
    command: impl FnOnce(&mut Group) -> Result<Exit, Failure>,
) -> Result<ExitCode, Failure> {
    if group.size() == 1 {
        let outcome = command(&mut group);
        group.leave();
        return outcome.map(ExitCode::from);
    }
    let outcome = match compared(asked, &mut group) {
        Ok(()) => command(&mut group),
        Err(unlike) => Err(unlike.into()),
    };
    let exit = match outcome {
        Ok(exit) => exit as u8,
        Err(Failure::BrokenPipe) => Exit::Success as u8,
        Err(failure) => {
            let here = match is_elsewhere(&failure) {
                true => 0,
                false => failure.exit() as u8,
            };
            let known = group.agreed();
            let codes = match known {
                true => group.gather(&[here]).concat(),
                false => vec![here],
            };
            let first = codes.iter().position(|&code| code != 0).unwrap_or(0);
            if !known || first == group.rank() {
                let (rank, host) = (group.rank(), group.host(group.rank()));
                failed(&failure, &format!("rank {rank} on {host}: "), asked.json);
            }
            match known {
                // The others are amid something, and would wait for this rank.
                false => group.abort(i32::from(here)),
                true => codes[first],
            }
        }
    };
    group.leave();
    Ok(ExitCode::from(exit))
}

/// Checks that all ranks were asked for the same, and compute alike.
fn compared(asked: &Asked, group: &mut Group) -> Result<(), TrainError> {
    alike_settings(group, &asked.settings)?;
    let isa = Cpu::detect().map_or_else(|error| error.to_string(), |cpu| cpu.name());
    let advice = format!("set {} to one that all have", Cpu::VARIABLE);
    alike(group, "the instruction sets", &isa, &advice)
}

/// A failure of all ranks, told by the first; by others too where that has not ended them, as it may not have happened there.
fn only_once(failure: Failure, json: bool) -> Result<ExitCode, Failure> {
    if Launched::detect().is_none_or(|launched| launched.rank == 0) {
        return Err(failure);
    }
    std::thread::sleep(TELLING);
    if failure.exit() != Exit::Success {
        failed(&failure, "", json);
    }
    Ok(failure.exit().into())
}

/// `result`, if no rank failed; all ranks must ask.
pub fn agree<T>(group: &mut Group, result: Result<T, Failure>) -> Result<T, Failure> {
    let failed = group.failed(result.is_err());
    match failed.first() {
        Some(&rank) if result.is_ok() => Err(Failure::Train(TrainError::Elsewhere {
            rank,
            host: group.host(rank).to_owned(),
        })),
        _ => result,
    }
}

fn is_elsewhere(failure: &Failure) -> bool {
    match failure {
        Failure::Train(TrainError::Elsewhere { .. }) => true,
        Failure::Train(TrainError::Stopped { cause, .. }) => matches!(**cause, TrainError::Elsewhere { .. }),
        _ => false,
    }
}
