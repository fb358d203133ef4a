//! Sums of long vectors over all ranks, bucket by bucket, on their way while the next ones are computed.
//!
//! A bucket is cut into one part a rank. Each rank sends each part to its owner, who adds up what it receives in the order of
//! ranks and sends the sum to everyone: a reduce-scatter and an allgather, `2 (p - 1) / p` of the bucket out of each rank, as with a
//! ring. Values travel as float32 or bfloat16, sums are float32.

use std::collections::VecDeque;
use std::mem;

use mnasnet_kernels::pool::{chunks, chunks_mut, for_each};
use mpi::datatype::Equivalence;
use mpi::request::{LocalScope, scope};

use super::link::{Awaited, Link};
use super::patience::Patience;
use crate::wire::{Travels, Wire, part};

/// Values that one task converts or adds.
const CHUNK: usize = 1 << 14;
/// Values that are added up in first-level cache.
const BLOCK: usize = 1 << 10;

/// Memory for one kind of value.
pub(crate) struct Typed<W> {
    /// What is sent to the parts' owners.
    packed: Vec<W>,
    /// What others send of the own part.
    parts: Vec<W>,
    /// The own part's sum.
    own: Vec<W>,
    /// The sums.
    sums: Vec<W>,
}

impl<W: Travels> Typed<W> {
    fn new(length: usize, buckets: usize, size: usize) -> Self {
        let room = |length: usize| vec![W::default(); length];
        if size == 1 {
            return Self {
                packed: Vec::new(),
                parts: Vec::new(),
                own: Vec::new(),
                sums: Vec::new(),
            };
        }
        // A part is at most one value longer than its share.
        let own = length / size + buckets;
        Self {
            packed: room(length),
            parts: room(own * (size - 1)),
            own: room(own),
            sums: room(length),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<W>() * (self.packed.len() + self.parts.len() + self.own.len() + self.sums.len())
    }
}

/// Memory of an exchange.
pub(crate) struct Room {
    exact: Typed<f32>,
    rounded: Option<Typed<u16>>,
}

impl Room {
    /// Room for `length` values that travel as `wire`, in at most `buckets` buckets, and for `exact` values as float32.
    pub(crate) fn new(wire: Wire, length: usize, exact: usize, buckets: usize, size: usize) -> Self {
        match wire {
            Wire::F32 => Self {
                exact: Typed::new(length + exact, buckets + 1, size),
                rounded: None,
            },
            Wire::Bf16 => Self {
                exact: Typed::new(exact, 1, size),
                rounded: Some(Typed::new(length, buckets, size)),
            },
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.exact.bytes() + self.rounded.as_ref().map_or(0, Typed::bytes)
    }
}

/// The sums of one exchange.
pub(crate) struct Sums<'a, 's> {
    link: &'s mut Link,
    exact: Buckets<'a, 's, f32>,
    /// None where gradients travel as they are.
    rounded: Option<Buckets<'a, 's, u16>>,
}

/// Calls `body` with the sums of an exchange, which are to be finished within.
pub(crate) fn summing<'a, R>(link: &mut Link, room: &'a mut Room, body: impl FnOnce(Sums<'a, '_>) -> R) -> R {
    scope(|scope| body(Sums::new(link, scope, room)))
}

impl<'a, 's> Sums<'a, 's> {
    fn new(link: &'s mut Link, scope: &'s LocalScope<'a>, room: &'a mut Room) -> Self {
        Self {
            link,
            exact: Buckets::new(scope, &mut room.exact),
            rounded: room.rounded.as_mut().map(|room| Buckets::new(scope, room)),
        }
    }

    pub(crate) fn sum_now(&mut self, values: &mut [f64]) {
        self.link.sum(values);
    }

    pub(crate) fn begin(&mut self, values: &'a mut [f32]) {
        match &mut self.rounded {
            Some(buckets) => buckets.begin(self.link, values),
            None => self.exact.begin(self.link, values),
        }
    }

    pub(crate) fn begin_exact(&mut self, values: &'a mut [f32]) {
        self.exact.begin(self.link, values);
    }

    pub(crate) fn poll(&mut self) {
        self.exact.poll(self.link);
        if let Some(buckets) = &mut self.rounded {
            buckets.poll(self.link);
        }
    }

    pub(crate) fn finish(&mut self) {
        let mut patience = Patience::begin();
        loop {
            self.poll();
            let rounded = self.rounded.as_ref();
            if self.exact.is_empty() && rounded.is_none_or(Buckets::is_empty) {
                return;
            }
            if self.link.is_late(patience.look()) {
                let rounded = rounded.into_iter().flat_map(Buckets::waits_for);
                self.link.lost(self.exact.waits_for().chain(rounded));
            }
            patience.pause();
        }
    }
}

struct Buckets<'a, 's, W> {
    scope: &'s LocalScope<'a>,
    packed: &'a mut [W],
    parts: &'a mut [W],
    own: &'a mut [W],
    sums: &'a mut [W],
    /// In the order in which they began.
    buckets: VecDeque<Bucket<'a, 's, W>>,
}

struct Bucket<'a, 's, W> {
    values: &'a mut [f32],
    packed: &'a [W],
    sends: Vec<Awaited<'a, 's, W>>,
    stage: Stage<'a, 's, W>,
    tag: i32,
}

/// What a bucket waits for.
enum Stage<'a, 's, W> {
    /// The own part from everyone.
    Parts {
        receives: Vec<Awaited<'a, 's, W>>,
        arrived: Vec<(usize, &'a [W])>,
        own: &'a mut [W],
        sums: &'a mut [W],
    },
    /// Everyone's sums.
    Sums {
        receives: Vec<Awaited<'a, 's, W>>,
        arrived: Vec<(usize, &'a [W])>,
    },
}

/// The first `length` values of a slice, which loses them.
fn take<'a, W>(from: &mut &'a mut [W], length: usize) -> &'a mut [W] {
    let (taken, rest) = mem::take(from).split_at_mut(length);
    *from = rest;
    taken
}

impl<'a, 's, W: Travels + Equivalence + 'static> Buckets<'a, 's, W> {
    fn new(scope: &'s LocalScope<'a>, room: &'a mut Typed<W>) -> Self {
        Self {
            scope,
            packed: &mut room.packed,
            parts: &mut room.parts,
            own: &mut room.own,
            sums: &mut room.sums,
            buckets: VecDeque::new(),
        }
    }

    fn begin(&mut self, link: &mut Link, values: &'a mut [f32]) {
        let (rank, size, length) = (link.rank(), link.size(), values.len());
        let packed = take(&mut self.packed, length);
        for_each(
            (chunks_mut(packed, CHUNK), chunks(values, CHUNK)),
            |_, (packed, values)| {
                packed
                    .iter_mut()
                    .zip(values)
                    .for_each(|(slot, value)| *slot = W::encode(*value));
            },
        );
        let packed: &'a [W] = packed;
        let mine = part(length, rank, size);
        // Both stages of a bucket have tags of their own.
        let tag = link.next_tag();
        link.next_tag();
        let mut receives = Vec::with_capacity(size - 1);
        let mut sends = Vec::with_capacity(2 * size - 2);
        for peer in link.peers() {
            let room = take(&mut self.parts, mine.len());
            receives.push(link.receive(self.scope, peer, room, tag));
        }
        for peer in link.peers() {
            sends.push(link.send(self.scope, peer, &packed[part(length, peer, size)], tag));
        }
        self.buckets.push_back(Bucket {
            values,
            packed,
            sends,
            stage: Stage::Parts {
                receives,
                arrived: vec![(rank, &packed[mine.clone()])],
                own: take(&mut self.own, mine.len()),
                sums: take(&mut self.sums, length),
            },
            tag,
        });
        self.poll(link);
    }

    fn poll(&mut self, link: &Link) {
        for bucket in &mut self.buckets {
            bucket.advance(link, self.scope);
        }
        while self.buckets.front().is_some_and(Bucket::is_done) {
            if let Some(bucket) = self.buckets.pop_front() {
                bucket.unpack();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Ranks that it waits for.
    fn waits_for(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().flat_map(Bucket::waits_for)
    }
}

/// Moves what has come from `receives` to `arrived`.
fn collect<'a, W: 'static>(receives: &mut Vec<Awaited<'a, '_, W>>, arrived: &mut Vec<(usize, &'a [W])>) {
    for Awaited { peer, request } in mem::take(receives) {
        match request.test_with_data() {
            Ok((_, values)) => arrived.push((peer, values)),
            Err(request) => receives.push(Awaited { peer, request }),
        }
    }
}

impl<'a, 's, W: Travels + Equivalence + 'static> Bucket<'a, 's, W> {
    fn advance(&mut self, link: &Link, scope: &'s LocalScope<'a>) {
        let (rank, size, length) = (link.rank(), link.size(), self.packed.len());
        self.sends = mem::take(&mut self.sends)
            .into_iter()
            .filter_map(Awaited::open)
            .collect();
        match &mut self.stage {
            Stage::Parts {
                receives,
                arrived,
                own,
                sums,
            } => {
                collect(receives, arrived);
                if !receives.is_empty() {
                    return;
                }
                arrived.sort_unstable_by_key(|(peer, _)| *peer);
                let (own, mut rest) = (mem::take(own), mem::take(sums));
                add_up(own, arrived);
                let own: &'a [W] = own;
                let mut receives = Vec::with_capacity(size - 1);
                for peer in 0..size {
                    let room = take(&mut rest, part(length, peer, size).len());
                    if peer != rank {
                        receives.push(link.receive(scope, peer, room, self.tag + 1));
                    }
                }
                for peer in link.peers() {
                    self.sends.push(link.send(scope, peer, own, self.tag + 1));
                }
                self.stage = Stage::Sums {
                    receives,
                    arrived: vec![(rank, own)],
                };
            }
            Stage::Sums { receives, arrived } => collect(receives, arrived),
        }
    }

    fn is_done(&self) -> bool {
        self.sends.is_empty() && matches!(&self.stage, Stage::Sums { receives, .. } if receives.is_empty())
    }

    /// The sums as values.
    fn unpack(self) {
        let Stage::Sums { arrived, .. } = self.stage else {
            return;
        };
        let (length, size) = (self.values.len(), arrived.len());
        for (peer, sums) in arrived {
            let values = &mut self.values[part(length, peer, size)];
            for_each((chunks_mut(values, CHUNK), chunks(sums, CHUNK)), |_, (values, sums)| {
                values
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(value, sum)| *value = sum.decode());
            });
        }
    }

    /// Those who have not sent, or else not taken, what it waits for.
    fn waits_for(&self) -> Vec<usize> {
        let (Stage::Parts { receives, .. } | Stage::Sums { receives, .. }) = &self.stage;
        let open = if receives.is_empty() { &self.sends } else { receives };
        open.iter().map(|awaited| awaited.peer).collect()
    }
}

/// The sums of `parts`, one a rank, in that order.
fn add_up<W: Travels>(sums: &mut [W], parts: &[(usize, &[W])]) {
    for_each(chunks_mut(sums, BLOCK), |block, sums| {
        let first = block * BLOCK;
        let mut totals = [0.0_f32; BLOCK];
        let totals = &mut totals[..sums.len()];
        for (_, part) in parts {
            let part = &part[first..first + totals.len()];
            totals
                .iter_mut()
                .zip(part)
                .for_each(|(total, value)| *total += value.decode());
        }
        sums.iter_mut()
            .zip(&*totals)
            .for_each(|(sum, total)| *sum = W::encode(*total));
    });
}
