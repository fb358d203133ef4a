//! What a run has on disk: its lock, checkpoints, logs and `run.json`.

pub mod checkpoint;
pub mod checkpoint_name;
pub(crate) mod lock;
pub mod log;
pub mod retention;
pub mod run_file;
pub mod runs;
pub(crate) mod tensorboard;
pub(crate) mod writer;
