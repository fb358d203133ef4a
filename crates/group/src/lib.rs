//! The processes that train one network together: who they are, and what they add up.
//!
//! A [`Group`] is one process, or all that a launcher of MPI (`mpirun`, `srun`) started. MPI moves every byte, as messages from
//! rank to rank that nobody blocks on; the sums are made here, in the order of ranks, so that the same group comes to the same
//! bits with any MPI, and whoever waits knows for whom. Without the feature `mpi`, or without a launcher, a group has one rank and
//! no call of MPI is made.
//!
//! # Example
//! ```
//! use mnasnet_group::{Buffers, Group, Wire};
//!
//! // `Group::join` gives the group that a launcher started.
//! let mut group = Group::alone();
//! assert_eq!(group.part(10), 0..10);
//!
//! let mut gradients = [0.5, 0.25];
//! let mut buffers = Buffers::new(Wire::F32, gradients.len(), 1, 0, &group);
//! group.exchange(&mut buffers, |exchange| {
//!     exchange.begin(&mut gradients);
//!     // More is computed while the values are on their way.
//!     exchange.poll();
//! });
//! assert_eq!(gradients, [0.5, 0.25]);
//! ```
#![forbid(unsafe_code)]

mod agreement;
#[cfg(not(feature = "mpi"))]
mod alone;
mod error;
mod exchange;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
mod threads;
mod watch;
mod wire;

use std::time::Duration;

// The other ranks: over MPI, or nobody, under the same names.
#[cfg(not(feature = "mpi"))]
use self::alone as others;
#[cfg(feature = "mpi")]
use self::mpi as others;
use self::others::Link;

pub use agreement::{Elsewhere, Unlike, agree, alike};
pub use error::GroupError;
pub use exchange::{Buffers, Exchange};
pub use launcher::Launched;
pub use threads::{NoThreads, thread_count, thread_pool};
pub use watch::Watch;
pub use wire::Wire;

/// One rank's view of all.
pub struct Group {
    rank: usize,
    size: usize,
    /// Some rank failed, and all know.
    agreed: bool,
    /// None in a group of one.
    link: Option<Link>,
}

impl Group {
    /// A group of one.
    pub fn alone() -> Self {
        Self {
            rank: 0,
            size: 1,
            agreed: false,
            link: None,
        }
    }

    /// The group that the launcher started this process in; a group of one without a launcher.
    ///
    /// # Errors
    /// Several ranks of a build without MPI; an MPI that does not start.
    pub fn join(watch: Watch) -> Result<Self, GroupError> {
        let others = |launched: &Launched| launched.is_mpis || !launched.is_alone();
        let link = match Launched::detect().filter(others) {
            Some(launched) => others::join(watch, &launched)?,
            None => None,
        };
        Ok(match link {
            None => Self::alone(),
            Some(link) => Self {
                rank: link.rank(),
                size: link.size(),
                agreed: false,
                link: Some(link),
            },
        })
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether this is rank 0, which writes files and tells the user.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Name of the machine of a rank.
    pub fn host(&self, rank: usize) -> &str {
        self.link.as_ref().map_or("", |link| link.host(rank))
    }

    /// Waits so long for others from here on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        if let Some(link) = &mut self.link {
            link.set_timeout(timeout);
        }
    }

    /// As many threads as asked for; for 0, this rank's share of the cores that it may run on.
    pub fn threads(&self, asked: usize) -> usize {
        match asked {
            0 => {
                let sharing = self.link.as_ref().map_or(1, Link::sharing);
                (thread_count(0) / sharing).max(1)
            }
            asked => asked,
        }
    }

    /// This rank's part of `length` things in order: parts differ by one at most, and follow each other by rank.
    pub fn part(&self, length: usize) -> std::ops::Range<usize> {
        wire::part(length, self.rank, self.size)
    }

    /// Sums of `values` over all ranks, in the order of ranks: the same bits on each.
    pub fn sum(&mut self, values: &mut [f64]) {
        if let Some(link) = &mut self.link {
            link.sum(values);
        }
    }

    /// Every rank's bytes, by rank.
    pub fn gather(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match &mut self.link {
            Some(link) => link.gather(bytes),
            None => vec![bytes.to_vec()],
        }
    }

    /// The bytes of rank 0; others' are ignored.
    pub fn broadcast(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        match &mut self.link {
            Some(link) => link.broadcast(bytes),
            None => bytes,
        }
    }

    /// The values of rank 0 for everyone.
    pub fn broadcast_values(&mut self, values: &mut [f32]) {
        if let Some(link) = &mut self.link {
            link.broadcast_values(values);
        }
    }

    /// The ranks on which something failed, for everyone.
    pub fn failed(&mut self, here: bool) -> Vec<usize> {
        let flags = self.gather(&[u8::from(here)]);
        let failed: Vec<usize> = (0..self.size).filter(|&rank| flags[rank] == [1]).collect();
        self.agreed |= !failed.is_empty();
        failed
    }

    /// Whether all ranks know that one of them failed.
    pub fn agreed(&self) -> bool {
        self.agreed
    }

    /// Calls `body` with an [`Exchange`], over which values can be summed while it works. Those sums are there when this returns.
    pub fn exchange<'a, R>(&mut self, buffers: &'a mut Buffers, body: impl FnOnce(&mut Exchange<'a, '_>) -> R) -> R {
        Exchange::over(self.link.as_mut(), buffers, body)
    }

    /// Ends all ranks at once.
    pub fn abort(self, exit_code: i32) -> ! {
        if let Some(link) = &self.link {
            link.abort(exit_code);
        }
        std::process::exit(exit_code)
    }

    /// Leaves the group, which all ranks must do. One that ends without ends all of them.
    pub fn leave(self) {
        if let Some(link) = self.link {
            link.close();
        }
    }
}
