//! `metrics.csv`: the lines of `metrics.jsonl` that are of steps and epochs, as rows of one table.

use serde_json::Value;

/// The columns, in order. What lies in another value has both names with `_` between.
const COLUMNS: &[&str] = &[
    "kind",
    "epoch",
    "step",
    "steps",
    "global_step",
    "loss",
    "mean_loss",
    "train_loss",
    "train_top1",
    "lr",
    "grad_norm",
    "skipped",
    "spike",
    "val_loss",
    "val_top1",
    "val_top5",
    "val_images",
    "val_bad_images",
    "ema_loss",
    "ema_top1",
    "ema_top5",
    "ema_images",
    "ema_bad_images",
    "images_per_s",
    "seconds",
    "compute_s",
    "wait_s",
    "decode_s",
    "transform_s",
    "val_s",
    "bad_images",
    "peak_bytes",
];

/// The first row.
pub(crate) fn heading() -> String {
    COLUMNS.join(",") + "\n"
}

/// The row of a line, ended; none where the line is not of a step or an epoch. What a line does not have is empty.
pub(crate) fn row(line: &Value) -> Option<String> {
    let kind = line["kind"].as_str().filter(|kind| ["step", "epoch"].contains(kind))?;
    let mut row = kind.to_owned();
    for column in &COLUMNS[1..] {
        row.push(',');
        match value(line, column) {
            Some(Value::Bool(is)) => row += if *is { "1" } else { "0" },
            Some(Value::Number(number)) => row += &number.to_string(),
            _ => {}
        }
    }
    row.push('\n');
    Some(row)
}

fn value<'a>(line: &'a Value, column: &str) -> Option<&'a Value> {
    let nested = || {
        column
            .split_once('_')
            .and_then(|(outer, inner)| line.get(outer)?.get(inner))
    };
    line.get(column).or_else(nested)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_has_what_its_line_has() {
        let step = json!({"kind": "step", "epoch": 2, "loss": 1.5, "grad_norm": null, "skipped": true});
        let cells = |line: &Value| -> Vec<(&str, String)> {
            let row = row(line).unwrap();
            let cells = row.trim_end().split(',').map(str::to_owned);
            let named: Vec<_> = COLUMNS.iter().copied().zip(cells).collect();
            assert_eq!(
                (named.len(), row.matches(',').count()),
                (COLUMNS.len(), COLUMNS.len() - 1)
            );
            named.into_iter().filter(|(_, cell)| !cell.is_empty()).collect()
        };
        let of = |pairs: &[(&'static str, &str)]| -> Vec<(&str, String)> {
            pairs.iter().map(|&(name, cell)| (name, cell.to_owned())).collect()
        };
        let expected = [("kind", "step"), ("epoch", "2"), ("loss", "1.5"), ("skipped", "1")];
        assert_eq!(cells(&step), of(&expected));
        let epoch = json!({"kind": "epoch", "val": {"top1": 0.5}, "ema": {"loss": 2}, "val_s": 3, "bad_images": 4});
        let expected = [
            ("kind", "epoch"),
            ("val_top1", "0.5"),
            ("ema_loss", "2"),
            ("val_s", "3"),
            ("bad_images", "4"),
        ];
        assert_eq!(cells(&epoch), of(&expected));
        assert_eq!(row(&json!({"kind": "classes", "right": [1]})), None);
    }
}
