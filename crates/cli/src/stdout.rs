//! The one place that writes to standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a text and a line end.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Io("write to standard output", error),
        })
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Io("write JSON", error.into()))?;
    print(&text)
}
