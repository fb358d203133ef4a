//! What can go wrong while a report is made.

use mnasnet_data::DataError;
use mnasnet_judge::JudgeError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The photos that are shown.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network that is shown photos again.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A table.
    #[error("cannot make the report's {table}: {reason}")]
    Table {
        /// Which one.
        table: &'static str,
        /// What the library says.
        reason: String,
    },
}

impl ReportError {
    /// A table that a library refuses.
    pub(crate) fn table(table: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |reason| Self::Table {
            table,
            reason: reason.to_string(),
        }
    }
}
