//! The other ranks of a build without MPI: there are none. Every name stands in `mpi.rs` too, where it does something.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use crate::{GroupError, Launched, Watch, Wire};

/// Membership in a group of several, which this build cannot have.
pub(crate) struct Link(Infallible);

/// Nobody, where no launcher started others.
pub(crate) fn join(_: Watch, launched: &Launched) -> Result<Option<Link>, GroupError> {
    match launched.is_alone() {
        true => Ok(None),
        false => Err(GroupError::NoMpi {
            launcher: launched.launcher,
            variable: launched.variable,
        }),
    }
}

impl Link {
    pub(crate) fn rank(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn size(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn host(&self, _: usize) -> &str {
        match self.0 {}
    }

    pub(crate) fn sharing(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn set_timeout(&mut self, _: Duration) {
        match self.0 {}
    }

    pub(crate) fn sum(&mut self, _: &mut [f64]) {
        match self.0 {}
    }

    pub(crate) fn gather(&mut self, _: &[u8]) -> Vec<Vec<u8>> {
        match self.0 {}
    }

    pub(crate) fn broadcast(&mut self, _: Vec<u8>) -> Vec<u8> {
        match self.0 {}
    }

    pub(crate) fn broadcast_values(&mut self, _: &mut [f32]) {
        match self.0 {}
    }

    pub(crate) fn abort(&self, _: i32) -> ! {
        match self.0 {}
    }

    pub(crate) fn close(self) {
        match self.0 {}
    }
}

/// Memory of an exchange: none.
pub(crate) struct Room;

impl Room {
    pub(crate) fn new(_: Wire, _: usize, _: usize, _: usize, _: usize) -> Self {
        Self
    }

    pub(crate) fn bytes(&self) -> usize {
        0
    }
}

/// The sums of an exchange, which needs a link.
pub(crate) struct Sums<'a, 's> {
    never: Infallible,
    lifetimes: PhantomData<(&'a (), &'s ())>,
}

pub(crate) fn summing<'a, R>(link: &mut Link, _: &'a mut Room, _: impl FnOnce(Sums<'a, '_>) -> R) -> R {
    match link.0 {}
}

impl<'a> Sums<'a, '_> {
    pub(crate) fn sum_now(&mut self, _: &mut [f64]) {
        match self.never {}
    }

    pub(crate) fn begin(&mut self, _: &'a mut [f32]) {
        match self.never {}
    }

    pub(crate) fn begin_exact(&mut self, _: &'a mut [f32]) {
        match self.never {}
    }

    pub(crate) fn poll(&mut self) {
        match self.never {}
    }

    pub(crate) fn finish(&mut self) {
        match self.never {}
    }
}
