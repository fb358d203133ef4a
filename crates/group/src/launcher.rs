//! Whether a launcher of MPI started this process, told by what launchers leave in the environment.

use std::env;

/// Variables of a launcher: its name, the rank, the number of ranks.
const LAUNCHERS: [(&str, &str, &str); 4] = [
    ("mpirun (Open MPI)", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("mpiexec (MPICH)", "PMI_RANK", "PMI_SIZE"),
    ("mpiexec (Hydra)", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("srun", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
];

/// What the environment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launched {
    /// Who started this process.
    pub launcher: &'static str,
    /// Its rank.
    pub rank: usize,
    /// The number of ranks, where it is told.
    pub ranks: Option<usize>,
}

impl Launched {
    /// Reads the environment; no call of MPI.
    pub fn detect() -> Option<Self> {
        Self::of(|name| env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name)?.parse().ok();
        LAUNCHERS.into_iter().find_map(|(launcher, rank, ranks)| {
            Some(Self {
                launcher,
                rank: number(rank)?,
                ranks: number(ranks),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_told_by_their_variables() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            Launched::of(move |name| set.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
        };
        assert_eq!(with(&[("SLURM_NTASKS", "8"), ("SLURM_PROCID", "0")]), None);
        let found = with(&[("OMPI_COMM_WORLD_RANK", "3"), ("OMPI_COMM_WORLD_SIZE", "4")]).unwrap();
        assert_eq!((found.rank, found.ranks), (3, Some(4)));
        let found = with(&[("PMIX_RANK", "1")]).unwrap();
        assert_eq!((found.launcher, found.rank, found.ranks), ("srun", 1, None));
    }
}
