//! A table of JSON lines, as the rows of comma-separated values that it would be.

use serde_json::{Map, Value};

/// A header of all keys, and a row a line. A list or an object stays JSON, and nothing is left empty. The error is a
/// sentence.
pub(super) fn to_csv(text: &str) -> Result<String, String> {
    // An empty line stays one, so that each row is in the line below its own.
    let mut rows: Vec<Option<Map<String, Value>>> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            rows.push(None);
            continue;
        }
        let row: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {number} is no JSON object: {error}"))?;
        for key in row.keys() {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        if keys.len() > MAX_KEYS {
            return Err(format!("line {number}: the lines have more than {MAX_KEYS} keys"));
        }
        rows.push(Some(row));
    }
    let cell = |row: &Map<String, Value>, key: &String| match row.get(key) {
        Some(Value::String(text)) => text.replace(['\n', '\r'], " "),
        None | Some(Value::Null) => String::new(),
        Some(value) => value.to_string(),
    };
    let mut csv = line(&keys) + "\n";
    for row in &rows {
        csv += &row.as_ref().map_or(String::new(), |row| {
            line(&keys.iter().map(|key| cell(row, key)).collect::<Vec<_>>())
        });
        csv.push('\n');
    }
    Ok(csv)
}

/// The cells of a row.
fn line(cells: &[String]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
        .collect();
    quoted.join(",")
}

/// More columns than a table of photos has.
const MAX_KEYS: usize = 1000;
