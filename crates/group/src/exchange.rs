//! Sums that are made while the sweep that yields the values goes on.

use crate::others::{Link, Room, Sums, summing};
use crate::{Group, Wire};

/// Memory of the values on their way, taken once.
pub struct Buffers {
    room: Room,
}

impl Buffers {
    /// Room for an exchange of `group`: at most `buckets` sums of together `length` values that travel as `wire`, and one of `exact`
    /// values that travels as float32. Nothing for a group of one.
    pub fn new(wire: Wire, length: usize, buckets: usize, exact: usize, group: &Group) -> Self {
        Self {
            room: Room::new(wire, length, exact, buckets, group.size()),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.room.bytes()
    }
}

/// The others, while a sweep goes on. In a group of one it does nothing.
pub struct Exchange<'a, 's> {
    sums: Option<Sums<'a, 's>>,
}

impl<'a> Exchange<'a, '_> {
    /// Calls `body`, then waits for the sums that it began.
    pub(crate) fn over<R>(
        link: Option<&mut Link>,
        buffers: &'a mut Buffers,
        body: impl FnOnce(&mut Exchange<'a, '_>) -> R,
    ) -> R {
        let Some(link) = link else {
            return body(&mut Exchange { sums: None });
        };
        summing(link, &mut buffers.room, |sums| {
            let mut exchange = Exchange { sums: Some(sums) };
            let result = body(&mut exchange);
            if let Some(sums) = &mut exchange.sums {
                sums.finish();
            }
            result
        })
    }

    /// Whether there are others.
    pub fn is_alone(&self) -> bool {
        self.sums.is_none()
    }

    /// Sums of `values` over all ranks, in the order of ranks, waited for.
    pub fn sum(&mut self, values: &mut [f64]) {
        if let Some(sums) = &mut self.sums {
            sums.sum_now(values);
        }
    }

    /// Begins to sum `values` over all ranks; the sums are in their place when the exchange is over. All ranks begin the same sums
    /// in the same order. Values beyond the buffers' room panic.
    pub fn begin(&mut self, values: &'a mut [f32]) {
        if let Some(sums) = &mut self.sums {
            sums.begin(values);
        }
    }

    /// The same for values that travel as float32 whatever the gradients do.
    pub fn begin_exact(&mut self, values: &'a mut [f32]) {
        if let Some(sums) = &mut self.sums {
            sums.begin_exact(values);
        }
    }

    /// Lets the sums that have begun get on, without waiting: call it often.
    pub fn poll(&mut self) {
        if let Some(sums) = &mut self.sums {
            sums.poll();
        }
    }
}
