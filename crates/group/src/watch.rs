//! What is done when others do not answer.

use std::sync::Arc;
use std::time::Duration;

/// What is done when others do not answer.
pub struct Watch {
    /// How long a message of another rank is waited for, and MPI's start and end.
    pub timeout: Duration,
    /// Tells the user whom is waited for in vain. Then the whole group ends.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
    /// Exit code of that end.
    pub exit_code: i32,
}
