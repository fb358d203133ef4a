//! A step that is one process's part of a larger one.

use mnasnet_group::Group;

/// What a step shares with the other processes of its batch.
pub struct Share<'g> {
    /// All processes.
    pub group: &'g mut Group,
    /// Images of the whole batch.
    pub whole: usize,
    /// Images of lower ranks.
    pub before: usize,
    /// Whether batch norm's statistics are those of the whole batch. Else each process has its own, and the running ones are
    /// averaged.
    pub sync_bn: bool,
    /// Whatever else is to be summed over all processes.
    pub tally: &'g mut [f64],
}
