//! The processes that train one network together: who they are, and what they add up.
//!
//! A [`Group`] is one process, or all that a launcher of MPI (`mpirun`, `srun`) started. MPI moves every byte, as messages from
//! rank to rank that nobody blocks on; the sums are made here, in the order of ranks, so that the same group comes to the same
//! bits with any MPI, and whoever waits knows for whom. Without the feature `mpi`, or without a launcher, a group has one rank and
//! no call of MPI is made.
#![forbid(unsafe_code)]

mod agreement;
#[cfg(feature = "mpi")]
mod cores;
#[cfg(feature = "mpi")]
mod deadline;
mod exchange;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "mpi")]
mod sums;
mod threads;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use agreement::{Elsewhere, Unlike, agree, alike};
pub use exchange::{Buffers, Exchange};
pub use launcher::Launched;
pub use threads::{NoThreads, thread_count, thread_pool};
pub use wire::Wire;

/// What is done when others do not answer.
pub struct Watch {
    /// How long a message of another rank is waited for, and MPI's start and end.
    pub timeout: Duration,
    /// Tells the user whom is waited for in vain. Then the whole group ends.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
    /// Exit code of that end.
    pub exit_code: i32,
}

/// Why there is no group.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A launcher started several ranks of a build without MPI.
    #[error(
        "{launcher} started this as one of several ranks, but this build has no MPI, and each would work alone: build it with \
         `cargo build --release --features mpi`, or unset {variable} where it is to be alone"
    )]
    NoMpi {
        /// Who.
        launcher: &'static str,
        /// The variable that says so.
        variable: &'static str,
    },
    /// MPI knows of no others, the launcher does.
    #[error(
        "{launcher} started this as one of {ranks} ranks, but not of the MPI that it was built with, and each would work alone: start it \
         by that MPI's launcher (`mpirun`; with Slurm `srun --mpi=pmix`), or unset {variable} where it is to be alone"
    )]
    OtherMpi {
        /// Who.
        launcher: &'static str,
        /// How many, by its word.
        ranks: usize,
        /// The variable that says so.
        variable: &'static str,
    },
    /// MPI does not start.
    #[error("MPI cannot be started: {0}")]
    Init(String),
}

/// One rank's view of all.
pub struct Group {
    rank: usize,
    size: usize,
    hosts: Vec<String>,
    /// Some rank failed, and all know.
    agreed: bool,
    /// Ranks that have the same cores to run on as this one, itself included.
    sharing: usize,
    #[cfg(feature = "mpi")]
    link: Option<mpi::Link>,
}

impl Group {
    /// A group of one.
    pub fn alone() -> Self {
        Self {
            rank: 0,
            size: 1,
            hosts: Vec::new(),
            agreed: false,
            sharing: 1,
            #[cfg(feature = "mpi")]
            link: None,
        }
    }

    /// The group that the launcher started this process in; a group of one without a launcher.
    ///
    /// # Errors
    /// Several ranks of a build without MPI; an MPI that does not start.
    pub fn join(watch: Watch) -> Result<Self, GroupError> {
        let others = |launched: &Launched| launched.is_mpis || !launched.is_alone();
        let Some(launched) = Launched::detect().filter(others) else {
            return Ok(Self::alone());
        };
        let Launched { launcher, variable, .. } = launched;
        #[cfg(feature = "mpi")]
        {
            let nobody = || match launched.ranks {
                Some(ranks @ 2..) => Err(GroupError::OtherMpi {
                    launcher,
                    ranks,
                    variable,
                }),
                _ => Ok(Self::alone()),
            };
            if !launched.is_mpis {
                return nobody();
            }
            let mut link = mpi::Link::open(watch, launched.rank)?;
            let (rank, size) = (link.rank(), link.size());
            if size == 1 {
                link.close();
                return nobody();
            }
            let mut group = Self {
                rank,
                size,
                hosts: Vec::new(),
                agreed: false,
                sharing: 1,
                link: None,
            };
            link.name(mpi::host());
            group.link = Some(link);
            let place = format!("{}\n{}", mpi::host(), cores::allowed());
            let places = group.gather(place.as_bytes());
            group.sharing = places.iter().filter(|other| **other == place.as_bytes()).count();
            let host = |place: &Vec<u8>| {
                let text = String::from_utf8_lossy(place);
                text.lines().next().unwrap_or_default().to_owned()
            };
            group.hosts = places.iter().map(host).collect();
            if let Some(link) = &mut group.link {
                link.know(&group.hosts);
            }
            Ok(group)
        }
        #[cfg(not(feature = "mpi"))]
        {
            drop(watch);
            match launched.is_alone() {
                true => Ok(Self::alone()),
                false => Err(GroupError::NoMpi { launcher, variable }),
            }
        }
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
        self.hosts.get(rank).map_or("", String::as_str)
    }

    /// Waits so long for others from here on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            link.set_timeout(timeout);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = timeout;
    }

    /// As many threads as asked for; for 0, this rank's share of the cores that it may run on.
    pub fn threads(&self, asked: usize) -> usize {
        match asked {
            0 => (thread_count(0) / self.sharing).max(1),
            asked => asked,
        }
    }

    /// This rank's part of `length` things in order: parts differ by one at most, and follow each other by rank.
    pub fn part(&self, length: usize) -> std::ops::Range<usize> {
        wire::part(length, self.rank, self.size)
    }

    /// Sums of `values` over all ranks, in the order of ranks: the same bits on each.
    pub fn sum(&mut self, values: &mut [f64]) {
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            link.sum(values);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = values;
    }

    /// Every rank's bytes, by rank.
    pub fn gather(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            return link.gather(bytes);
        }
        vec![bytes.to_vec()]
    }

    /// The bytes of rank 0; others' are ignored.
    pub fn broadcast(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            return link.broadcast(bytes);
        }
        bytes
    }

    /// The values of rank 0 for everyone.
    pub fn broadcast_values(&mut self, values: &mut [f32]) {
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            link.broadcast_values(values);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = values;
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
        #[cfg(feature = "mpi")]
        if let Some(link) = &mut self.link {
            return link.exchange(buffers, body);
        }
        let _ = buffers;
        body(&mut Exchange::alone())
    }

    /// Ends all ranks at once.
    pub fn abort(self, exit_code: i32) -> ! {
        #[cfg(feature = "mpi")]
        if let Some(link) = &self.link {
            link.abort(exit_code);
        }
        std::process::exit(exit_code)
    }

    /// Leaves the group, which all ranks must do. One that ends without ends all of them.
    pub fn leave(self) {
        #[cfg(feature = "mpi")]
        if let Some(link) = self.link {
            link.close();
        }
    }
}
