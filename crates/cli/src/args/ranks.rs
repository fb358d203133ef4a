//! Arguments of commands that several ranks carry out together.

/// What ranks do about each other.
#[derive(Debug, clap::Args)]
pub struct RankArgs {
    /// Seconds that a rank waits for another before all end (exit code 9)
    #[arg(
        long = "rank_timeout",
        value_name = "X",
        default_value_t = 600.0,
        value_parser = seconds
    )]
    pub timeout: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match 0.0 < value && value <= 1e6 {
        true => Ok(value),
        false => Err("give a number above 0, at most 1000000".into()),
    }
}
