//! Whether a launcher started this process as one of several, told by what launchers leave in the environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

/// What a launcher leaves: its name; the variables of the rank and of the number of ranks; whether its tasks are ranks of MPI by
/// themselves.
struct Launcher {
    name: &'static str,
    rank: &'static str,
    ranks: &'static str,
    is_mpis: bool,
}

const fn launcher(name: &'static str, rank: &'static str, ranks: &'static str, is_mpis: bool) -> Launcher {
    Launcher {
        name,
        rank,
        ranks,
        is_mpis,
    }
}

/// Those of MPI's own, which others start, and which start nobody: the first one that left both its variables counts, whatever others left.
const MPIS: [Launcher; 4] = [
    launcher(
        "mpirun (Open MPI)",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        true,
    ),
    launcher("mpirun (MVAPICH)", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", true),
    launcher("mpiexec or srun (PMI)", "PMI_RANK", "PMI_SIZE", true),
    launcher("mpiexec (Hydra)", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", true),
];

/// The others. One task of theirs may be another launcher: the first one that started several counts, or else the first. Slurm's are a
/// step's: a batch script that Slurm gave several tasks has `SLURM_NTASKS`, but is one process.
const OTHERS: [Launcher; 7] = [
    launcher("srun (PMIx)", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", true),
    launcher("jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", true),
    launcher("flux", "FLUX_TASK_RANK", "FLUX_JOB_SIZE", false),
    launcher("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", false),
    launcher("horovodrun", "HOROVOD_RANK", "HOROVOD_SIZE", false),
    launcher("torchrun or its like", "RANK", "WORLD_SIZE", false),
    launcher("a script of MindSpore's", "RANK_ID", "RANK_SIZE", false),
];

/// A rank of MPI whose number of ranks is told nowhere.
const UNCOUNTED: Launcher = launcher("a launcher of MPI (PMIx)", "PMIX_RANK", "", true);

/// What the environment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launched {
    /// Who started this process.
    pub launcher: &'static str,
    /// Its rank.
    pub rank: usize,
    /// The number of ranks, where it is told.
    pub ranks: Option<usize>,
    /// The variable that says so, or else the rank's.
    pub variable: &'static str,
    /// Whether its tasks can be ranks of MPI.
    pub is_mpis: bool,
}

impl Launched {
    /// Reads the environment; no call of MPI.
    pub fn detect() -> Option<Self> {
        let texts = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::of(&env::vars_os().filter_map(texts).collect())
    }

    fn of(variables: &BTreeMap<String, String>) -> Option<Self> {
        let number = |name: &str| variables.get(name)?.parse::<usize>().ok();
        // Whoever speaks some PMI may speak it to MPI, whatever its name for ranks.
        let pmi = || variables.keys().any(|name| name.starts_with("PMI"));
        let launched = |by: &Launcher, rank, ranks: Option<usize>| Self {
            launcher: by.name,
            rank,
            ranks,
            variable: if ranks.is_some() { by.ranks } else { by.rank },
            is_mpis: by.is_mpis || pmi(),
        };
        let counted = |by: &Launcher| Some(launched(by, number(by.rank)?, Some(number(by.ranks)?)));
        let uncounted = || Some(launched(&UNCOUNTED, number(UNCOUNTED.rank)?, None));
        let others = || OTHERS.iter().filter_map(counted);
        let several = || others().find(|launched| !launched.is_alone());
        let mpis = MPIS.iter().find_map(counted);
        mpis.or_else(several).or_else(|| others().next()).or_else(uncounted)
    }

    /// Whether there is nobody else, by the launcher's word.
    pub fn is_alone(&self) -> bool {
        self.ranks == Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_told_by_their_variables() {
        let with = |set: &str| {
            let pairs = set.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            let found = Launched::of(&pairs.map(|(name, value)| (name.into(), value.into())).collect());
            found.map(|found| (found.launcher, found.rank, found.ranks, found.is_mpis))
        };
        // A batch script, the shell of an allocation, and one variable alone are nobody's tasks.
        for nothing in [
            "SLURM_NTASKS=8 SLURM_PROCID=0",
            "SLURM_NTASKS=8",
            "RANK=3",
            "WORLD_SIZE=4",
            "RANK=a WORLD_SIZE=b",
        ] {
            assert_eq!(with(nothing), None, "{nothing}");
        }
        let step = "SLURM_NTASKS=8 SLURM_PROCID=1 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2";
        for (set, launcher, rank, ranks, is_mpis) in [
            (
                "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=4",
                "mpirun (Open MPI)",
                3,
                Some(4),
                true,
            ),
            (step, "srun", 1, Some(2), false),
            // A PMI of another make.
            (&format!("{step} PMI_CONTROL_PORT=9"), "srun", 1, Some(2), true),
            (
                &format!("{step} PMI_RANK=1 PMI_SIZE=2"),
                "mpiexec or srun (PMI)",
                1,
                Some(2),
                true,
            ),
            (&format!("{step} PMIX_RANK=1"), "srun (PMIx)", 1, Some(2), true),
            // mpirun starts its helpers by srun.
            (
                &format!("{step} OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1"),
                "mpirun (Open MPI)",
                0,
                Some(1),
                true,
            ),
            // srun starts torchrun, and that several; or srun starts several that say they are alone.
            (
                "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 RANK=2 WORLD_SIZE=4",
                "torchrun or its like",
                2,
                Some(4),
                false,
            ),
            (&format!("{step} RANK=0 WORLD_SIZE=1"), "srun", 1, Some(2), false),
            (
                "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 RANK=0 WORLD_SIZE=1",
                "srun",
                0,
                Some(1),
                false,
            ),
            ("PMIX_RANK=1", "a launcher of MPI (PMIx)", 1, None, true),
            ("RANK=1 WORLD_SIZE=2", "torchrun or its like", 1, Some(2), false),
            ("RANK_ID=1 RANK_SIZE=8", "a script of MindSpore's", 1, Some(8), false),
        ] {
            assert_eq!(with(set), Some((launcher, rank, ranks, is_mpis)), "{set}");
        }
    }
}
