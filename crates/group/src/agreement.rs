//! What ranks tell each other before they act: failures, and what must be alike.

use crate::Group;

/// Another rank failed, and tells why itself.
#[derive(Debug, thiserror::Error)]
#[error("rank {rank} on {host} has failed")]
pub struct Elsewhere {
    /// Which.
    pub rank: usize,
    /// Its machine.
    pub host: String,
}

/// Ranks that must be alike are not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unlike(pub String);

/// `result`, if no rank failed; all ranks must ask. A rank that failed has its own error, the others name the first of those.
///
/// # Errors
/// The rank's own; [`Elsewhere`].
pub fn agree<T, E: From<Elsewhere>>(group: &mut Group, result: Result<T, E>) -> Result<T, E> {
    if group.size() == 1 {
        return result;
    }
    let failed = group.failed(result.is_err());
    match failed.first() {
        Some(&rank) if result.is_ok() => {
            let host = group.host(rank).to_owned();
            Err(Elsewhere { rank, host }.into())
        }
        _ => result,
    }
}

/// Checks that `here` is the same on all ranks. `advice` says what to do where it is not.
///
/// # Errors
/// [`Unlike`], on every rank.
pub fn alike(group: &mut Group, what: &str, here: &str, advice: &str) -> Result<(), Unlike> {
    let all = group.gather(here.as_bytes());
    let Some(other) = all.iter().position(|other| *other != all[0]) else {
        return Ok(());
    };
    // Every rank knows, so every rank ends; the first one tells.
    group.failed(true);
    let text = |rank: usize| String::from_utf8_lossy(&all[rank]);
    Err(Unlike(format!(
        "{what} differ: rank 0 on {} has {}, rank {other} on {} has {}; {advice}",
        group.host(0),
        text(0),
        group.host(other),
        text(other)
    )))
}
