//! A table of JSON lines, as the rows of comma-separated values that it would be.

use serde_json::{Map, Value};

/// A header of all keys, and a row a line. What is neither text, number nor truth value is left empty. The error is a
/// sentence.
pub(super) fn to_csv(text: &str) -> Result<String, String> {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
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
        rows.push(row);
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    let cell = |row: &Map<String, Value>, key: &String| match row.get(key) {
        Some(Value::String(text)) => text.replace(['\n', '\r'], " "),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    };
    let records =
        std::iter::once(keys.clone()).chain(rows.iter().map(|row| keys.iter().map(|key| cell(row, key)).collect()));
    for record in records {
        csv.write_record(&record).map_err(|error| error.to_string())?;
    }
    let bytes = csv.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// More columns than a table of photos has.
const MAX_KEYS: usize = 1000;
