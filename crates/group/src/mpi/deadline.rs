//! Calls of MPI that wait inside, where no other rank's message can be looked for: its start, its end, and the end of all.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use signal_hook::low_level::exit;

use super::patience::Patience;

/// Time from one look at the clock to the next.
const LOOK: Duration = Duration::from_millis(50);

/// Calls `body`. Where that takes longer than `limit`, `late` is called beside it and the process ends with `exit_code`, whatever
/// MPI is amid: nothing that MPI has for the end of a process is called.
pub(crate) fn within<R>(
    limit: Duration,
    exit_code: i32,
    late: impl FnOnce() + Send + 'static,
    body: impl FnOnce() -> R,
) -> R {
    let (done, ended) = channel::<()>();
    let look = move || {
        let mut patience = Patience::begin();
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK) {
            if patience.look() > limit {
                late();
                exit(exit_code);
            }
        }
    };
    // Without the thread nobody would look at the clock, and that is all.
    let _ = thread::Builder::new().name("deadline".into()).spawn(look);
    let result = body();
    drop(done);
    result
}
