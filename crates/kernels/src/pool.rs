//! The threads that compute. One thread leads; the pool's helpers take part in its loops.
//!
//! A sweep is a loop of independent tasks ([`for_each`]), and a step is some two hundred loops in a row. A helper therefore stays
//! awake for a moment after each loop: waking a sleeping thread takes as long as a layer of one image. Each worker has a stretch of
//! every loop to itself, the same from sweep to sweep, so that it meets the rows that its caches hold. Who is done takes tasks from
//! the far ends of the others' stretches.
//!
//! # Why it cannot lock up
//!
//! - The helpers are threads of the pool. They run tasks of its loops and nothing else, so no helper is ever inside foreign work, and
//!   no foreign scheduler ever holds a helper's work.
//! - A loop needs no helper. The leader takes every task that nobody has begun, and waits only for tasks that a helper is running.
//! - A task waits for nothing. A loop within a task runs on the task's own thread, as a plain loop.
//! - [`Pool`] is neither `Send` nor `Sync`, so one thread alone leads a pool's loops. That thread begins no loop within another: where a
//!   task on it installs the pool again, its loops are plain loops.

mod parts;
mod team;

pub use parts::{Chunks, ChunksMut, Parts, chunks, chunks_mut};

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread::JoinHandle;
use team::Team;

thread_local! {
    /// The team whose loops this thread leads.
    static LED: Cell<*const Team> = const { Cell::new(std::ptr::null()) };
    /// This thread's number in the team that it works for. The leader's is 0.
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// A leader's helpers.
///
/// ```
/// use mnasnet_kernels::pool::{self, Pool, chunks, chunks_mut};
///
/// let (from, mut to) = ([1.0_f32; 1000], [0.0_f32; 1000]);
/// let pool = Pool::new(3)?;
/// pool.install(|| {
///     pool::for_each((chunks_mut(&mut to, 100), chunks(&from, 100)), |_, (to, from)| to.copy_from_slice(from));
/// });
/// assert_eq!(from, to);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    team: Arc<Team>,
    helpers: Vec<JoinHandle<()>>,
    /// One thread at a time leads.
    single: PhantomData<*const ()>,
}

impl Pool {
    /// A pool of `threads` workers, the leader among them.
    ///
    /// # Errors
    /// The system starts no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let mut pool = Self {
            team: Arc::new(Team::new(threads.max(1))),
            helpers: Vec::new(),
            single: PhantomData,
        };
        for worker in 1..threads {
            let team = pool.team.clone();
            let help = move || {
                WORKER.set(worker);
                team.help(worker);
            };
            let thread = std::thread::Builder::new().name(format!("worker-{worker}"));
            pool.helpers.push(thread.spawn(help)?);
        }
        Ok(pool)
    }

    /// Runs `body` on the calling thread. The loops in `body` are shared with the helpers.
    pub fn install<R>(&self, body: impl FnOnce() -> R) -> R {
        let _led = Led::new(&*self.team);
        body()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.team.dismiss(&self.helpers);
        for helper in self.helpers.drain(..) {
            // A task's panic went to the leader; a helper has none of its own.
            let _ = helper.join();
        }
    }
}

/// Makes the thread a team's leader until dropped, also by a panic.
struct Led(*const Team, usize);

impl Led {
    fn new(team: *const Team) -> Self {
        Self(LED.replace(team), WORKER.replace(0))
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        LED.set(self.0);
        WORKER.set(self.1);
    }
}

/// Workers of the loops that the calling thread begins: 1 outside [`Pool::install`] and within a task.
pub fn threads() -> usize {
    // SAFETY: the pointer is set while its pool is borrowed, by the thread that reads it.
    unsafe { LED.get().as_ref() }.map_or(1, Team::workers)
}

/// The calling thread's number among the workers of the pool that it works for.
pub fn worker() -> usize {
    WORKER.get()
}

/// Runs `task` for each of `parts`, with its number. Outside [`Pool::install`] and within a task this is a plain loop.
///
/// # Panics
/// Where a task does, when all that were begun have ended.
pub fn for_each<P: Parts>(parts: P, task: impl Fn(usize, P::Part) + Sync) {
    // SAFETY: every number is asked for once.
    run(parts.count(), &|i| task(i, unsafe { parts.part(i) }));
}

/// Runs `task` for all numbers below `count`.
fn run(count: usize, task: &(dyn Fn(usize) + Sync)) {
    // SAFETY: the pointer is set while its pool is borrowed, by the thread that reads it.
    let Some(team) = (unsafe { LED.get().as_ref() }) else {
        return (0..count).for_each(task);
    };
    let _alone = Led::new(std::ptr::null());
    if count > 1 && team.workers() > 1 && team.begin() {
        team.lead(count, task);
    } else {
        (0..count).for_each(task);
    }
}
