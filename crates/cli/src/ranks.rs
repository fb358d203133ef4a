//! Commands that several ranks carry out together, and how those end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mnasnet_group::{Group, Launched, Unlike, Watch, agree, alike};
use mnasnet_judge::JudgeError;
use mnasnet_train::TrainError;
use mnasnet_weights::FileError;
use mnasnet_weights_file::WeightsError;

use crate::asked::Asked;
use crate::console::{failed, tell};
use crate::failure::{Exit, Failure};

/// How long ranks that have nothing to tell outlive what has ended them all: a launcher ends the others when the first one fails, and
/// rank 0 tells why.
const TELLING: Duration = Duration::from_millis(500);

/// Calls `command` with all ranks that a launcher of MPI started, or alone. Ranks that were asked for different things are
/// refused; those that compute differently, where the device is opened ([`crate::device`]).
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
pub fn refused(asked: &Asked, failure: Failure) -> Result<ExitCode, Failure> {
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
    let outcome = match alike_settings(&mut group, &asked.settings) {
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

fn is_elsewhere(failure: &Failure) -> bool {
    match failure {
        Failure::Elsewhere(_) | Failure::Judge(JudgeError::Elsewhere(_)) | Failure::Train(TrainError::Elsewhere(_)) => {
            true
        }
        Failure::Train(TrainError::Stopped { cause, .. }) => matches!(**cause, TrainError::Elsewhere(_)),
        _ => false,
    }
}

/// Checks that all ranks were given the same settings, each with its value.
fn alike_settings(group: &mut Group, here: &[(String, String)]) -> Result<(), Unlike> {
    if group.size() == 1 {
        return Ok(());
    }
    let all = group.gather(&serde_json::to_vec(here).unwrap_or_default());
    let read = |bytes: &Vec<u8>| serde_json::from_slice::<Vec<(String, String)>>(bytes).unwrap_or_default();
    let all: Vec<_> = all.iter().map(read).collect();
    let Some(other) = all.iter().position(|other| *other != all[0]) else {
        return Ok(());
    };
    // Every rank knows, so every rank ends; the first one tells.
    group.failed(true);
    let (zero, there) = (&all[0], &all[other]);
    let differs = |&at: &usize| zero.get(at) != there.get(at);
    let at = (0..zero.len().max(there.len())).find(differs).unwrap_or(0);
    let text = |settings: &[(String, String)]| match settings.get(at) {
        Some((name, value)) => format!("{name}: {value}"),
        None => "nothing more".into(),
    };
    Err(Unlike(format!(
        "the ranks were asked for different things: rank 0 on {} has `{}`, rank {other} on {} has `{}`; give all the same command",
        group.host(0),
        text(zero),
        group.host(other),
        text(there)
    )))
}

/// Checks that the file at `path` holds the same bytes on all ranks.
pub fn alike_file(group: &mut Group, what: &str, path: &Path) -> Result<(), Failure> {
    if group.size() == 1 {
        return Ok(());
    }
    let read = std::fs::read(path).map_err(|source| FileError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    });
    let bytes = agree(group, read.map_err(|error| Failure::from(WeightsError::from(error))))?;
    let (length, checksum) = (bytes.len(), crc32fast::hash(&bytes));
    let text = format!("{length} bytes of checksum {checksum:08x}");
    Ok(alike(group, what, &text, "give every machine the same file")?)
}
