//! The one place that calls MPI: messages between ranks, and the watch over them.

use std::time::Duration;

use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::request::{LocalScope, Request, scope};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{Destination, Source};
use signal_hook::low_level::exit;

use super::deadline::within;
use super::patience::Patience;
use crate::error::GroupError;
use crate::watch::Watch;

/// Ranks that a message names.
const NAMED: usize = 4;
/// How long MPI may take to end the group.
const LAST: Duration = Duration::from_secs(10);
/// Tags come round again after so many operations, all of which but the last few are over.
const TAGS: i32 = 1 << 14;

/// Name of this machine.
fn host() -> String {
    mpi::environment::processor_name().unwrap_or_else(|_| "an unnamed machine".into())
}

/// A message on its way.
pub(crate) struct Awaited<'a, 's, T> {
    /// To or from whom.
    pub(crate) peer: usize,
    pub(crate) request: Request<'a, [T], &'s LocalScope<'a>>,
}

impl<T: 'static> Awaited<'_, '_, T> {
    /// Itself, unless it has come.
    pub(crate) fn open(self) -> Option<Self> {
        let Self { peer, request } = self;
        request.test().err().map(|request| Self { peer, request })
    }
}

/// Membership in MPI's world. Messages are sent by whoever holds it alone, so one thread at a time calls MPI.
pub(crate) struct Link {
    /// None when it has been left.
    universe: Option<Universe>,
    rank: usize,
    size: usize,
    here: String,
    /// Names of all ranks' machines, once they are known.
    hosts: Vec<String>,
    /// Ranks that have the same cores to run on as this one, itself included.
    sharing: usize,
    watch: Watch,
    tag: i32,
    /// Values of all ranks.
    all: Vec<f64>,
}

impl Link {
    /// Starts MPI, as `rank` by the launcher's word.
    pub(crate) fn open(watch: Watch, rank: usize) -> Result<Self, GroupError> {
        let refused = |what: &str| GroupError::Init(what.into());
        let late = watch.late(rank, "MPI to start");
        let start = || mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) = within(watch.timeout, watch.exit_code, late, start)
            .ok_or_else(|| refused("it was started before in this process"))?;
        if threading < Threading::Serialized {
            return Err(refused("it does not let any thread call it"));
        }
        let world = universe.world();
        Ok(Self {
            rank: world.rank() as usize,
            size: world.size() as usize,
            universe: Some(universe),
            here: String::new(),
            hosts: Vec::new(),
            sharing: 1,
            watch,
            tag: 0,
            all: Vec::new(),
        })
    }

    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Tells all ranks this one's machine and cores, and learns theirs.
    pub(crate) fn meet(&mut self, cores: &str) {
        self.here = host();
        let place = format!("{}\n{cores}", self.here);
        let places = self.gather(place.as_bytes());
        self.sharing = places.iter().filter(|other| **other == place.as_bytes()).count();
        let host = |place: &Vec<u8>| {
            let text = String::from_utf8_lossy(place);
            text.lines().next().unwrap_or_default().to_owned()
        };
        self.hosts = places.iter().map(host).collect();
    }

    pub(crate) fn host(&self, rank: usize) -> &str {
        self.hosts.get(rank).map_or("", String::as_str)
    }

    pub(crate) fn sharing(&self) -> usize {
        self.sharing
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.watch.timeout = timeout;
    }

    /// A tag that no message has which may still be on its way.
    pub(crate) fn next_tag(&mut self) -> i32 {
        self.tag = (self.tag + 1) % TAGS;
        self.tag
    }

    /// All ranks but this one, the next first, so that not all begin with the same.
    pub(crate) fn peers(&self) -> impl Iterator<Item = usize> + use<> {
        let (rank, size) = (self.rank, self.size);
        (1..size).map(move |step| (rank + step) % size)
    }

    pub(crate) fn send<'a, 's, T: Equivalence + 'static>(
        &self,
        scope: &'s LocalScope<'a>,
        peer: usize,
        values: &'a [T],
        tag: i32,
    ) -> Awaited<'a, 's, T> {
        let process = SimpleCommunicator::world();
        let process = process.process_at_rank(peer as i32);
        let request = process.immediate_send_with_tag(scope, values, tag);
        Awaited { peer, request }
    }

    pub(crate) fn receive<'a, 's, T: Equivalence + 'static>(
        &self,
        scope: &'s LocalScope<'a>,
        peer: usize,
        values: &'a mut [T],
        tag: i32,
    ) -> Awaited<'a, 's, T> {
        let process = SimpleCommunicator::world();
        let process = process.process_at_rank(peer as i32);
        let request = process.immediate_receive_into_with_tag(scope, values, tag);
        Awaited { peer, request }
    }

    /// Waits for messages, and ends the group if they do not come.
    pub(crate) fn wait<T: 'static>(&self, mut pending: Vec<Awaited<T>>) {
        let mut patience = Patience::begin();
        while let Some(awaited) = pending.pop() {
            let Some(awaited) = awaited.open() else { continue };
            pending.push(awaited);
            if self.is_late(patience.look()) {
                pending = pending.into_iter().filter_map(Awaited::open).collect();
                if !pending.is_empty() {
                    self.lost(pending.iter().map(|awaited| awaited.peer));
                }
            }
            patience.pause();
        }
    }

    /// Whether someone who has `waited` has done so for too long.
    pub(crate) fn is_late(&self, waited: Duration) -> bool {
        waited > self.watch.timeout
    }

    /// Says who does not answer, and ends the whole group.
    pub(crate) fn lost(&self, peers: impl Iterator<Item = usize>) -> ! {
        let mut peers: Vec<usize> = peers.collect();
        peers.sort_unstable();
        peers.dedup();
        let name = |&peer: &usize| match self.hosts.get(peer) {
            Some(host) => format!("rank {peer} on {host}"),
            None => format!("rank {peer}"),
        };
        let mut names: Vec<String> = peers.iter().take(NAMED).map(name).collect();
        if peers.len() > NAMED {
            names.push(format!("{} more", peers.len() - NAMED));
        }
        let text = format!(
            "rank {} on {} has waited {} s for {}: stopped, dead or cut off",
            self.rank,
            self.here,
            self.watch.timeout.as_secs_f64(),
            names.join(", ")
        );
        (self.watch.tell)(&text);
        end(self.watch.exit_code)
    }

    /// Sends `mine` to everyone and fills `parts`, each rank's, by rank.
    fn share<T: Equivalence + Copy + 'static>(&mut self, mine: &[T], parts: Vec<&mut [T]>) {
        let tag = self.next_tag();
        scope(|scope| {
            let mut pending = Vec::with_capacity(2 * self.size);
            for (peer, part) in parts.into_iter().enumerate() {
                if peer == self.rank {
                    part.copy_from_slice(mine);
                } else {
                    pending.push(self.receive(scope, peer, part, tag));
                }
            }
            for peer in self.peers() {
                pending.push(self.send(scope, peer, mine, tag));
            }
            self.wait(pending);
        });
    }

    pub(crate) fn sum(&mut self, values: &mut [f64]) {
        if values.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.all);
        all.resize(values.len() * self.size, 0.0);
        self.share(values, all.chunks_exact_mut(values.len()).collect());
        values.fill(0.0);
        for part in all.chunks_exact(values.len()) {
            values.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        self.all = all;
    }

    pub(crate) fn gather(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lengths = vec![0_u64; self.size];
        self.share(&[bytes.len() as u64], lengths.chunks_exact_mut(1).collect());
        let mut parts: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length as usize]).collect();
        self.share(bytes, parts.iter_mut().map(Vec::as_mut_slice).collect());
        parts
    }

    pub(crate) fn broadcast(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let mut length = [bytes.len() as u64];
        self.pass_on(&mut length);
        bytes.resize(length[0] as usize, 0);
        self.pass_on(&mut bytes);
        bytes
    }

    pub(crate) fn broadcast_values(&mut self, values: &mut [f32]) {
        self.pass_on(values);
    }

    /// From rank 0 to all, by a binomial tree: a rank receives from the one without its lowest bit, and sends to those with one
    /// bit more below that.
    fn pass_on<T: Equivalence + 'static>(&mut self, values: &mut [T]) {
        let tag = self.next_tag();
        let lowest = match self.rank {
            0 => self.size.next_power_of_two(),
            rank => 1 << rank.trailing_zeros(),
        };
        if self.rank > 0 {
            scope(|scope| self.wait(vec![self.receive(scope, self.rank - lowest, &mut *values, tag)]));
        }
        scope(|scope| {
            let children = (0..lowest.trailing_zeros()).rev().map(|bit| self.rank + (1 << bit));
            let children = children.filter(|&child| child < self.size);
            self.wait(children.map(|child| self.send(scope, child, &*values, tag)).collect());
        });
    }

    pub(crate) fn abort(&self, exit_code: i32) -> ! {
        end(exit_code)
    }

    /// Leaves the world, together with all others. Whoever has others is to end after that.
    pub(crate) fn close(mut self) {
        let universe = self.universe.take();
        let late = self.watch.late(self.rank, "MPI to end");
        within(self.watch.timeout, self.watch.exit_code, late, || drop(universe));
    }
}

impl Watch {
    /// Tells that `rank` has waited for `what` in vain.
    fn late(&self, rank: usize, what: &str) -> impl FnOnce() + Send + use<> {
        let (tell, seconds) = (self.tell.clone(), self.timeout.as_secs_f64());
        let text = format!("rank {rank} has waited {seconds} s for {what}: another rank is stopped, dead or cut off");
        move || tell(&text)
    }
}

/// Whoever goes without having left takes all others along: they would wait for it.
impl Drop for Link {
    fn drop(&mut self) {
        if self.universe.is_some() {
            end(self.watch.exit_code);
        }
    }
}

/// Ends all ranks; this one in any case, even if MPI cannot reach the launcher any more.
fn end(exit_code: i32) -> ! {
    within(
        LAST,
        exit_code,
        || {},
        || {
            SimpleCommunicator::world().abort(exit_code);
        },
    );
    exit(exit_code)
}
