//! Why there is no group.

/// Why there is no group.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A launcher started several ranks of a build without MPI.
    #[error(
        "{launcher} started this as one of several ranks, but this build has no MPI, and each would work alone: build it with \
         `cargo build --release --features mpi`, or unset {variable} where it is to be alone"
    )]
    NoMpi {
        /// Who.
        launcher: &'static str,
        /// The variable that says so.
        variable: &'static str,
    },
    /// MPI knows of no others, the launcher does.
    #[error(
        "{launcher} started this as one of {ranks} ranks, but not of the MPI that it was built with, and each would work alone: start it \
         by that MPI's launcher (`mpirun`; with Slurm `srun --mpi=pmix`), or unset {variable} where it is to be alone"
    )]
    OtherMpi {
        /// Who.
        launcher: &'static str,
        /// How many, by its word.
        ranks: usize,
        /// The variable that says so.
        variable: &'static str,
    },
    /// MPI does not start.
    #[error("MPI cannot be started: {0}")]
    Init(String),
}
