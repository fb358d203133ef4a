//! What a run has on disk: its lock, checkpoints, logs and `run.json`.

pub mod checkpoint;
pub mod checkpoint_name;
pub(crate) mod columns;
pub(crate) mod lock;
pub mod log;
pub(crate) mod memory;
pub(crate) mod picture;
pub mod retention;
pub mod run_file;
pub mod runs;
pub(crate) mod tensorboard;
pub(crate) mod writer;
