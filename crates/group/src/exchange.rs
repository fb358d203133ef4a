//! Sums that are made while the sweep that yields the values goes on.

use crate::{Group, Wire};

/// Memory of the values on their way, taken once.
pub struct Buffers {
    #[cfg(feature = "mpi")]
    pub(crate) room: crate::sums::Room,
}

impl Buffers {
    /// Room for an exchange of `group`: at most `buckets` sums of together `length` values that travel as `wire`, and one of `exact`
    /// values that travels as float32. Nothing for a group of one.
    pub fn new(wire: Wire, length: usize, buckets: usize, exact: usize, group: &Group) -> Self {
        let _ = (wire, length, buckets, exact, group);
        Self {
            #[cfg(feature = "mpi")]
            room: crate::sums::Room::new(wire, length, exact, buckets, group.size()),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        #[cfg(feature = "mpi")]
        return self.room.bytes();
        #[cfg(not(feature = "mpi"))]
        0
    }
}

/// The others, while a sweep goes on. In a group of one it does nothing.
pub struct Exchange<'a, 's> {
    #[cfg(feature = "mpi")]
    sums: Option<crate::sums::Sums<'a, 's>>,
    lifetimes: std::marker::PhantomData<(&'a (), &'s ())>,
}

impl<'a, 's> Exchange<'a, 's> {
    pub(crate) fn alone() -> Self {
        Self {
            #[cfg(feature = "mpi")]
            sums: None,
            lifetimes: std::marker::PhantomData,
        }
    }

    #[cfg(feature = "mpi")]
    pub(crate) fn of(sums: crate::sums::Sums<'a, 's>) -> Self {
        Self {
            sums: Some(sums),
            lifetimes: std::marker::PhantomData,
        }
    }

    /// Whether there are others.
    pub fn is_alone(&self) -> bool {
        #[cfg(feature = "mpi")]
        return self.sums.is_none();
        #[cfg(not(feature = "mpi"))]
        true
    }

    /// Sums of `values` over all ranks, in the order of ranks, waited for.
    pub fn sum(&mut self, values: &mut [f64]) {
        #[cfg(feature = "mpi")]
        if let Some(sums) = &mut self.sums {
            sums.sum_now(values);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = values;
    }

    /// Begins to sum `values` over all ranks; the sums are in their place when the exchange is over. All ranks begin the same sums
    /// in the same order. Values beyond the buffers' room panic.
    pub fn begin(&mut self, values: &'a mut [f32]) {
        #[cfg(feature = "mpi")]
        if let Some(sums) = &mut self.sums {
            sums.begin(values);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = values;
    }

    /// The same for values that travel as float32 whatever the gradients do.
    pub fn begin_exact(&mut self, values: &'a mut [f32]) {
        #[cfg(feature = "mpi")]
        if let Some(sums) = &mut self.sums {
            sums.begin_exact(values);
        }
        #[cfg(not(feature = "mpi"))]
        let _ = values;
    }

    /// Lets the sums that have begun get on, without waiting: call it often.
    pub fn poll(&mut self) {
        #[cfg(feature = "mpi")]
        if let Some(sums) = &mut self.sums {
            sums.poll();
        }
    }

    /// Waits for all sums.
    #[cfg(feature = "mpi")]
    pub(crate) fn finish(&mut self) {
        if let Some(sums) = &mut self.sums {
            sums.finish();
        }
    }
}
