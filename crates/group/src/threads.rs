//! Threads of one process: how many, and the pool that the kernels run on.

use mnasnet_kernels::pool::Pool;

/// The pool could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads: {reason}")]
pub struct NoThreads {
    /// How many.
    pub threads: usize,
    /// Cause.
    pub reason: String,
}

/// As many threads as asked for; 0 means as many as the machine has.
pub fn thread_count(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        asked => asked,
    }
}

/// The threads of the network's arithmetic: the kernels use the pool that they are called in. 0 means as many as the
/// machine has.
///
/// # Errors
/// A system that starts no more threads.
pub fn thread_pool(threads: usize) -> Result<Pool, NoThreads> {
    let threads = thread_count(threads);
    Pool::new(threads).map_err(|error| NoThreads {
        threads,
        reason: error.to_string(),
    })
}
