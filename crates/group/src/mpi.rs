//! The other ranks, over MPI. [`link`] alone calls it.

mod cores;
mod deadline;
mod link;
mod patience;
mod sums;

use crate::{GroupError, Launched, Watch};

pub(crate) use link::Link;
pub(crate) use sums::{Room, Sums, summing};

/// Starts MPI where the launcher is one of MPI's; `None` where there is nobody else.
pub(crate) fn join(watch: Watch, launched: &Launched) -> Result<Option<Link>, GroupError> {
    let &Launched { launcher, variable, .. } = launched;
    let nobody = || match launched.ranks {
        Some(ranks @ 2..) => Err(GroupError::OtherMpi {
            launcher,
            ranks,
            variable,
        }),
        _ => Ok(None),
    };
    if !launched.is_mpis {
        return nobody();
    }
    let mut link = Link::open(watch, launched.rank)?;
    if link.size() == 1 {
        link.close();
        return nobody();
    }
    link.meet(&cores::allowed());
    Ok(Some(link))
}
