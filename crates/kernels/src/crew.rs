//! Many short parallel loops in a row: the pool's workers stay awake between them.
//!
//! Waking a sleeping worker takes some ten microseconds, as long as a layer of one image. Within [`crew`] the other workers of
//! the pool wait for the next loop without sleeping; [`for_each`] hands them its tasks, and takes part.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

/// The loops of one [`crew`].
struct Crew {
    /// Number of the loop, whether it takes helpers ([`OPEN`]), and how many are at it.
    state: AtomicU64,
    /// The tasks of the loop, and their number. Written while nobody is at it.
    tasks: UnsafeCell<(*const (dyn Fn(usize) + Sync), usize)>,
    /// The next task.
    next: AtomicUsize,
    over: AtomicBool,
}

// SAFETY: `tasks` is written by the leader alone while the state is closed and nobody is at the loop, and read by those whom
// the state let in.
unsafe impl Sync for Crew {}

const OPEN: u64 = 1 << 15;
const HELPERS: u64 = OPEN - 1;
const NUMBER: u64 = 1 << 16;
/// Rounds of waiting before a thread lets others run.
const PATIENCE: u32 = 4096;

thread_local! {
    /// The crew that this thread leads.
    static LED: Cell<*const Crew> = const { Cell::new(std::ptr::null()) };
}

/// Runs `body` on a worker of the current rayon pool, while the other workers wait for the loops in it. Parallel iterators of
/// rayon find no helpers in it. Takes no memory if it is called in the pool.
pub fn crew<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    let helpers = rayon::current_num_threads() - 1;
    if helpers == 0 {
        return body();
    }
    let crew = Crew {
        state: AtomicU64::new(0),
        tasks: UnsafeCell::new((&|_| (), 0)),
        next: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let lead = || {
        let _led = Led::new(&crew);
        body()
    };
    rayon::join(lead, || crew.gather(helpers)).0
}

/// Runs `task` for all numbers below `count`: by the crew that this thread leads, or by the pool.
pub(crate) fn for_each(count: usize, task: impl Fn(usize) + Sync) {
    let led = LED.get();
    // SAFETY: the pointer is set while its crew lives, by the thread that reads it.
    match unsafe { led.as_ref() } {
        Some(crew) if count > 1 => crew.run(count, &task),
        Some(_) => (0..count).for_each(task),
        None => (0..count).into_par_iter().for_each(&task),
    }
}

/// A slice whose chunks tasks write, each its own.
pub(crate) struct Shared<'a, T> {
    first: *mut T,
    len: usize,
    chunk: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: chunks are disjoint, and values may move between threads.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Chunks of `chunk` values, the last one perhaps shorter.
    pub(crate) fn new(slice: &'a mut [T], chunk: usize) -> Self {
        Self {
            first: slice.as_mut_ptr(),
            len: slice.len(),
            chunk,
            borrowed: PhantomData,
        }
    }

    /// All of it, to write parts that no other task does.
    pub(crate) fn first(&self) -> *mut T {
        self.first
    }

    /// A chunk.
    ///
    /// # Safety
    /// One task alone asks for it.
    #[allow(clippy::mut_from_ref, reason = "that is what it is for")]
    pub(crate) unsafe fn chunk(&self, i: usize) -> &mut [T] {
        let from = (i * self.chunk).min(self.len);
        // SAFETY: the range lies inside the slice; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(from), self.chunk.min(self.len - from)) }
    }
}

/// Marks the thread as a crew's leader; in the end, also of a panic, sends the helpers home.
struct Led<'a>(&'a Crew, *const Crew);

impl<'a> Led<'a> {
    fn new(crew: &'a Crew) -> Self {
        Self(crew, LED.replace(crew))
    }
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        LED.set(self.1);
        self.0.over.store(true, Ordering::Release);
    }
}

impl Crew {
    /// The leader's side of a loop.
    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        // SAFETY: only the lifetime changes. Nobody is at the loop that is closed, and this function does not return, nor unwind,
        // before the new one is closed and left by all.
        unsafe {
            let task: *const (dyn Fn(usize) + Sync) = std::mem::transmute::<&(dyn Fn(usize) + Sync), _>(task);
            *self.tasks.get() = (task, count);
        }
        self.next.store(0, Ordering::Relaxed);
        let number = self.state.load(Ordering::Relaxed) / NUMBER + 1;
        self.state.store((number * NUMBER) | OPEN, Ordering::Release);
        let closing = Closing(self);
        self.work();
        drop(closing);
    }

    /// Helps, and lets the pool's other workers find `helpers - 1` more to do so.
    fn gather(&self, helpers: usize) {
        if helpers > 1 {
            rayon::join(|| self.help(), || self.gather(helpers - 1));
        } else {
            self.help();
        }
    }

    /// A helper's side of all loops.
    fn help(&self) {
        let mut seen = 0;
        let mut waited = 0;
        while !self.over.load(Ordering::Acquire) {
            let state = self.state.load(Ordering::Relaxed);
            let fresh = state & OPEN != 0 && state / NUMBER != seen;
            if fresh
                && self
                    .state
                    .compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                let _leaving = Leaving(self);
                seen = state / NUMBER;
                self.work();
                waited = 0;
            } else {
                pause(&mut waited);
            }
        }
    }

    /// Takes tasks until there are none.
    fn work(&self) {
        // SAFETY: the leader wrote them before it let anybody in.
        let (task, count) = unsafe { *self.tasks.get() };
        // SAFETY: the leader keeps the closure until all have left.
        let task = unsafe { &*task };
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return;
            }
            task(i);
        }
    }
}

/// Closes the loop and waits until all have left it.
struct Closing<'a>(&'a Crew);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        // Nobody begins another task of a loop that failed.
        self.0.next.store(usize::MAX / 2, Ordering::Relaxed);
        self.0.state.fetch_and(!OPEN, Ordering::Relaxed);
        let mut waited = 0;
        while self.0.state.load(Ordering::Acquire) & HELPERS != 0 {
            pause(&mut waited);
        }
    }
}

/// Leaves the loop.
struct Leaving<'a>(&'a Crew);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(1, Ordering::Release);
    }
}

fn pause(waited: &mut u32) {
    *waited += 1;
    if *waited < PATIENCE {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_of_many_loops_runs_once() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        for threads in [false, true] {
            let loops = || {
                (0..2000).map(|round| {
                    let count = round % 7;
                    let ran: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    for_each(count, |i| {
                        ran[i].fetch_add(1, Ordering::Relaxed);
                    });
                    ran.iter().all(|ran| ran.load(Ordering::Relaxed) == 1)
                })
            };
            let all = if threads {
                pool.install(|| crew(|| loops().all(|once| once)))
            } else {
                crew(|| loops().all(|once| once))
            };
            assert!(all);
        }
    }

    #[test]
    fn a_panic_is_passed_on() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for bad in [0, 5, 99] {
            let run = || crew(|| for_each(100, |i| assert_ne!(i, bad)));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.install(run)));
            assert!(caught.is_err());
            assert!(pool.install(|| crew(|| 7)) == 7, "the pool works on");
        }
    }
}
