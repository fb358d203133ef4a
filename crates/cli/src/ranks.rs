//! Commands that several ranks carry out together, and how those end.

use std::process::ExitCode;
use std::time::Duration;

use mnasnet_group::{Group, Launched, Watch};
use mnasnet_train::train::TrainError;

use crate::console::{print_error, tell};
use crate::failure::{Exit, Failure};

/// How long ranks wait for each other until the settings say it.
const TIMEOUT: Duration = Duration::from_secs(600);

/// How long ranks that have nothing to tell outlive what has ended them all: a launcher ends the others when the first one fails, and
/// rank 0 tells why.
const TELLING: Duration = Duration::from_millis(500);

/// Calls `command` with all ranks that a launcher of MPI started, or alone.
pub fn together(json: bool, command: impl FnOnce(&mut Group) -> Result<Exit, Failure>) -> Result<ExitCode, Failure> {
    let watch = Watch {
        timeout: TIMEOUT,
        tell: Box::new(|text| {
            tell(&format!(
                "error: {text}; the same command again goes on from the last checkpoint"
            ))
        }),
        exit_code: Exit::Ranks as i32,
    };
    let mut group = match Group::join(watch) {
        Ok(group) => group,
        Err(error) => return only_once(Failure::Usage(error.to_string())),
    };
    let outcome = command(&mut group);
    if group.size() == 1 {
        group.leave();
        return outcome.map(ExitCode::from);
    }
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
                tell(&format!("error: rank {rank} on {host}: {failure}"));
                if json {
                    print_error(&failure.to_string());
                }
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

/// Calls a `command` that knows nothing of ranks.
pub fn alone(command: impl FnOnce() -> Result<Exit, Failure>) -> Result<ExitCode, Failure> {
    match Launched::detect() {
        Some(launched) if launched.ranks != Some(1) => only_once(Failure::Usage(format!(
            "{} started this as one of several ranks, but only `train`, `eval`, `eval-onnx` and `bench train` share their work",
            launched.launcher
        ))),
        _ => command().map(ExitCode::from),
    }
}

/// Whether rank 0 tells what all ranks find alike.
pub fn another_tells() -> bool {
    Launched::detect().is_some_and(|launched| launched.rank > 0)
}

/// A failure of all ranks, told by the first.
fn only_once(failure: Failure) -> Result<ExitCode, Failure> {
    match another_tells() {
        true => {
            linger();
            Ok(failure.exit().into())
        }
        false => Err(failure),
    }
}

/// Gives rank 0 the time to tell.
pub fn linger() {
    std::thread::sleep(TELLING);
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
