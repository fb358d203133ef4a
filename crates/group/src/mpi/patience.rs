//! How long someone waits, and how.

use std::thread;
use std::time::{Duration, Instant};

/// Waiting for longer than this is no longer done by spinning: photos may be decoded on the same cores.
const SPIN: Duration = Duration::from_micros(50);
/// From then on it sleeps between two looks.
const YIELD: Duration = Duration::from_millis(2);
const NAP: Duration = Duration::from_micros(50);
/// Most that the time from one look to the next counts as waiting.
const LONGEST: Duration = Duration::from_secs(1);

/// Someone who waits. Time in which this process itself was stopped, as a whole job is when a scheduler suspends it, counts as one
/// [`LONGEST`] look.
pub(crate) struct Patience {
    waited: Duration,
    last: Instant,
}

impl Patience {
    pub(crate) fn begin() -> Self {
        Self {
            waited: Duration::ZERO,
            last: Instant::now(),
        }
    }

    /// Looks at the clock; the time waited so far.
    pub(crate) fn look(&mut self) -> Duration {
        let now = Instant::now();
        self.waited += (now - self.last).min(LONGEST);
        self.last = now;
        self.waited
    }

    pub(crate) fn pause(&self) {
        match self.waited {
            short if short < SPIN => std::hint::spin_loop(),
            medium if medium < YIELD => thread::yield_now(),
            _ => thread::sleep(NAP),
        }
    }
}
