//! The leader's and the helpers' sides of a loop.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a helper waits awake for the next loop. Within a step the next one comes in a fraction of that.
const AWAKE: Duration = Duration::from_micros(200);
/// Rounds of waiting before a thread lets others run, some tens of microseconds.
const PATIENCE: u32 = 1024;

/// Set in [`Team::state`] while a loop takes helpers.
const OPEN: u64 = 1 << 15;
/// The helpers that are at the loop, in [`Team::state`].
const HELPERS: u64 = OPEN - 1;
/// One loop, in [`Team::state`].
const NUMBER: u64 = 1 << 16;

/// What the leader and its helpers share.
pub(super) struct Team {
    /// Number of the loop, whether it is [`OPEN`], and how many [`HELPERS`] are at it.
    state: AtomicU64,
    /// The task of the loop. Written while nobody is at it.
    task: UnsafeCell<*const (dyn Fn(usize) + Sync)>,
    /// What is left of the loop, a stretch a worker.
    stretches: Box<[Stretch]>,
    /// A helper's own.
    beds: Box<[Bed]>,
    asleep: AtomicUsize,
    /// Whether a loop is being led. The leader's thread alone reads and writes it.
    led: AtomicBool,
    over: AtomicBool,
    /// Rounds of waiting before a thread lets others run: none where there are more workers than processors.
    patience: u32,
    /// What a helper's task panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written by the leader alone, while the state is closed and nobody is at the loop, and read by those whom the
// state let in. All else is made for threads.
unsafe impl Sync for Team {}
// SAFETY: the pointer in `task` is used by nobody outside a loop.
unsafe impl Send for Team {}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Team of {}", self.workers())
    }
}

/// Where a helper sleeps.
#[derive(Default)]
struct Bed {
    thread: OnceLock<Thread>,
    occupied: AtomicBool,
}

impl Team {
    pub(super) fn new(workers: usize) -> Self {
        assert!((workers as u64) < HELPERS);
        let crowded = std::thread::available_parallelism().is_ok_and(|processors| workers > processors.get());
        Self {
            state: AtomicU64::new(0),
            task: UnsafeCell::new(&|_| ()),
            stretches: (0..workers).map(|_| Stretch::default()).collect(),
            beds: (1..workers).map(|_| Bed::default()).collect(),
            asleep: AtomicUsize::new(0),
            led: AtomicBool::new(false),
            over: AtomicBool::new(false),
            patience: if crowded { 0 } else { PATIENCE },
            panic: Mutex::new(None),
        }
    }

    pub(super) fn workers(&self) -> usize {
        self.stretches.len()
    }

    /// Whether the leader can begin a loop: it can unless it is amid one. [`Team::lead`] follows.
    pub(super) fn begin(&self) -> bool {
        !self.led.swap(true, Ordering::Relaxed)
    }

    /// The leader's side of a loop, after [`Team::begin`].
    pub(super) fn lead(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let workers = self.workers();
        for (worker, stretch) in self.stretches.iter().enumerate() {
            stretch.set(worker * count / workers, (worker + 1) * count / workers);
        }
        // SAFETY: only the lifetime changes. Nobody is at the loop that is closed, and this function does not return, nor unwind,
        // before the new one is closed and left by all.
        unsafe {
            *self.task.get() = std::mem::transmute::<&(dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync)>(task)
        };
        let number = self.state.load(Ordering::Relaxed) / NUMBER + 1;
        // Of this store and the sleepers' own (`sleep`) one is seen by the other side, so nobody sleeps through a loop.
        self.state.store((number * NUMBER) | OPEN, Ordering::SeqCst);
        self.wake();
        let led = catch_unwind(AssertUnwindSafe(|| self.work(0)));
        self.close();
        self.led.store(false, Ordering::Relaxed);
        let helped = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = led.err().or(helped) {
            resume_unwind(panic);
        }
    }

    /// Closes the loop and waits until all have left it.
    fn close(&self) {
        // Nobody begins another task of a loop that failed.
        self.abandon();
        self.state.fetch_and(!OPEN, Ordering::Relaxed);
        let mut waiting = Waiting::new(self.patience);
        while self.state.load(Ordering::Acquire) & HELPERS != 0 {
            waiting.pause();
        }
    }

    fn abandon(&self) {
        self.stretches.iter().for_each(|stretch| stretch.set(0, 0));
    }

    /// A helper's side of all loops.
    pub(super) fn help(&self, worker: usize) {
        let bed = &self.beds[worker - 1];
        bed.thread.get_or_init(std::thread::current);
        let (mut seen, mut waiting) = (0, Waiting::new(self.patience));
        while !self.over.load(Ordering::Acquire) {
            let state = self.state.load(Ordering::Relaxed);
            let fresh = state & OPEN != 0 && state / NUMBER != seen;
            let entered = fresh
                && (self.state)
                    .compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if entered {
                let _leaving = Leaving(self);
                seen = state / NUMBER;
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(worker))) {
                    self.abandon();
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
                waiting = Waiting::new(self.patience);
            } else if waiting.since().is_some_and(|waited| waited > AWAKE) {
                self.sleep(bed, seen);
                waiting = Waiting::new(self.patience);
            }
        }
    }

    /// Sleeps until there is another loop than those that were seen, or none any more.
    fn sleep(&self, bed: &Bed, seen: u64) {
        bed.occupied.store(true, Ordering::SeqCst);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        let state = self.state.load(Ordering::SeqCst);
        if (state & OPEN == 0 || state / NUMBER == seen) && !self.over.load(Ordering::SeqCst) {
            while bed.occupied.load(Ordering::Acquire) {
                std::thread::park();
            }
        }
        bed.occupied.store(false, Ordering::Relaxed);
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) == 0 {
            return;
        }
        for bed in &self.beds {
            if bed.occupied.swap(false, Ordering::SeqCst)
                && let Some(thread) = bed.thread.get()
            {
                thread.unpark();
            }
        }
    }

    /// Sends the helpers home.
    pub(super) fn dismiss(&self, helpers: &[JoinHandle<()>]) {
        self.over.store(true, Ordering::SeqCst);
        for (bed, helper) in self.beds.iter().zip(helpers) {
            bed.occupied.store(false, Ordering::SeqCst);
            helper.thread().unpark();
        }
    }

    /// Takes tasks until there are none: its own in order, then the others' last ones.
    fn work(&self, worker: usize) {
        // SAFETY: the leader wrote it before it let anybody in, and keeps the closure until all have left.
        let task = unsafe { &**self.task.get() };
        while let Some(i) = self.stretches[worker].first() {
            task(i);
        }
        for other in 1..self.workers() {
            while let Some(i) = self.stretches[(worker + other) % self.workers()].last() {
                task(i);
            }
        }
    }
}

/// Numbers of tasks that nobody has begun: the first one, and in the upper half the end.
#[derive(Default)]
#[repr(align(128))]
struct Stretch(AtomicU64);

impl Stretch {
    fn set(&self, from: usize, to: usize) {
        assert!(to <= u32::MAX as usize);
        self.0.store(from as u64 | (to as u64) << 32, Ordering::Relaxed);
    }

    fn first(&self) -> Option<usize> {
        self.take(|from, to| (from, from + 1, to))
    }

    fn last(&self) -> Option<usize> {
        self.take(|from, to| (to - 1, from, to - 1))
    }

    /// `choose` says which number is taken, and what is left.
    fn take(&self, choose: impl Fn(u64, u64) -> (u64, u64, u64)) -> Option<usize> {
        let mut stretch = self.0.load(Ordering::Relaxed);
        loop {
            let (from, to) = (stretch & u64::from(u32::MAX), stretch >> 32);
            if from >= to {
                return None;
            }
            let (taken, from, to) = choose(from, to);
            let left = from | to << 32;
            match (self.0).compare_exchange_weak(stretch, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(taken as usize),
                Err(now) => stretch = now,
            }
        }
    }
}

/// Leaves the loop.
struct Leaving<'a>(&'a Team);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(1, Ordering::Release);
    }
}

/// Waits awake.
struct Waiting {
    rounds: u32,
    patience: u32,
    since: Option<Instant>,
}

impl Waiting {
    fn new(patience: u32) -> Self {
        let (rounds, since) = (0, None);
        Self {
            rounds,
            patience,
            since,
        }
    }

    fn pause(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds < self.patience {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    /// Pauses, and now and then says since when.
    fn since(&mut self) -> Option<Duration> {
        self.pause();
        let start = *self.since.get_or_insert_with(Instant::now);
        (self.rounds.is_multiple_of(64) || self.rounds >= self.patience).then(|| start.elapsed())
    }
}
