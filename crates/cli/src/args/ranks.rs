//! Arguments of commands that several ranks carry out together.

use std::ops::Bound;

use super::number;

/// What ranks do about each other.
#[derive(Debug, clap::Args)]
pub struct RankArgs {
    /// Seconds that a rank waits for another before all end (exit code 9)
    #[arg(
        long = "rank_timeout",
        value_name = "X",
        default_value_t = 600.0,
        value_parser = number((Bound::Excluded(0.0), Bound::Included(1e6)))
    )]
    pub timeout: f64,
}
