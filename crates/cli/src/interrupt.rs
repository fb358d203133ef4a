//! Signals that ask for an end. They are listened to from the first line of `main` on, so that none that comes while a run begins
//! ends it unsaved.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console::tell;
use crate::failure::{Exit, Failure};

/// What has come so far.
pub struct Interrupt {
    /// Some signal has.
    stop: Arc<AtomicBool>,
    /// Signals do what they do to any program.
    plain: Arc<AtomicBool>,
    #[cfg(unix)]
    woken: std::os::unix::net::UnixStream,
}

impl Interrupt {
    /// Listens from here on. SIGINT, SIGTERM and SIGHUP ask for an end, and the second of them is the end, in the signal's handler
    /// itself, whatever the program is amid. SIGUSR1 asks for one however often it comes: `mpirun` and `srun` pass it on to all
    /// ranks, and may both do so.
    #[cfg(unix)]
    pub fn listen() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
        use signal_hook::flag;
        use signal_hook::low_level::pipe;
        use std::os::unix::net::UnixStream;

        let (stop, plain) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (woken, wake) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
            flag::register_conditional_default(signal, plain.clone())?;
            if signal != SIGUSR1 {
                flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, stop.clone())?;
                pipe::register(signal, wake.try_clone()?)?;
            }
            flag::register(signal, stop.clone())?;
        }
        // A write beyond the limit of a file's size is an error, as on a full disk, and no silent end.
        flag::register(SIGXFSZ, Arc::default())?;
        Ok(Self { stop, plain, woken })
    }

    /// The same for Ctrl-C alone.
    #[cfg(not(unix))]
    pub fn listen() -> io::Result<Self> {
        let (stop, plain) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (flag, is_plain) = (stop.clone(), plain.clone());
        let handler = move || {
            if flag.swap(true, Ordering::Relaxed) || is_plain.load(Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
            tell(STOPPING);
        };
        ctrlc::set_handler(handler).map_err(io::Error::other)?;
        Ok(Self { stop, plain })
    }

    /// For commands that have nothing to save: signals end them as they end any program, one that has come already included.
    pub fn plain(&self) {
        self.plain.store(true, Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
    }

    /// For a command that saves, or cleans up: the flag that the first signal sets from here on. It is told where `telling`.
    pub fn stop(self, telling: bool) -> Result<Arc<AtomicBool>, Failure> {
        self.plain.store(false, Ordering::Relaxed);
        #[cfg(unix)]
        if telling {
            let mut woken = self.woken;
            let wait = move || {
                if io::Read::read(&mut woken, &mut [0]).is_ok() {
                    tell(STOPPING);
                }
            };
            let thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
            thread.map_err(|error| Failure::Io("start a thread", error))?;
        }
        #[cfg(not(unix))]
        let _ = telling;
        Ok(self.stop)
    }
}

const STOPPING: &str = "stopping after this step and saving (Ctrl-C again: stop at once)";
