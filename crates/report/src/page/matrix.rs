//! The confusion matrix as tables: all of it, or of very many classes the blocks that matter.

use serde::Serialize;

use super::words::percent;
use crate::numbers::Numbers;

/// The most classes whose whole matrix is shown.
const WHOLE: usize = 60;
/// Blocks that are shown, and the most classes of one.
const BLOCKS: usize = 6;
const SIZE: usize = 12;

#[derive(Serialize)]
pub struct Matrix {
    names: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    cells: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    count: u64,
    share: String,
    /// The share of the class's photos, 0 to 1.
    shade: String,
    own: bool,
    words: String,
}

/// A sentence, and the tables.
pub fn matrices(numbers: &Numbers) -> (String, Vec<Matrix>) {
    let rows = "A row is a class, a column what the model says, and the colour the share of the class's photos.";
    let counts = &numbers.matrix.classes;
    let used = |class: &u32| counts[*class as usize].support + counts[*class as usize].said > 0;
    let used: Vec<u32> = (0..counts.len() as u32).filter(used).collect();
    if used.len() <= WHOLE {
        return (rows.to_owned(), vec![matrix(numbers, &used)]);
    }
    let blocks = numbers.matrix.blocks(BLOCKS, SIZE);
    let shown: usize = blocks.iter().map(Vec::len).sum();
    let words = format!(
        "{rows} There are {} classes with photos or answers: shown are {shown} of them in {} groups that are taken for each other most. \
         confusion.csv has all.",
        used.len(),
        blocks.len()
    );
    (words, blocks.iter().map(|block| matrix(numbers, block)).collect())
}

fn matrix(numbers: &Numbers, classes: &[u32]) -> Matrix {
    let name = |class: u32| numbers.classes[class as usize].class.clone();
    let cell = |label: u32, said: u32| {
        let count = numbers.matrix.count(label, said);
        let support = numbers.matrix.classes[label as usize].support;
        let share = count as f64 / support.max(1) as f64;
        Shown {
            count,
            share: format!("{:.0}", share * 100.0),
            shade: format!("{share:.3}"),
            own: label == said,
            words: format!(
                "{count} of {support} photos of {} are taken for {} ({})",
                name(label),
                name(said),
                percent(share)
            ),
        }
    };
    let row = |&label: &u32| Row {
        name: name(label),
        cells: classes.iter().map(|&said| cell(label, said)).collect(),
    };
    Matrix {
        names: classes.iter().map(|&class| name(class)).collect(),
        rows: classes.iter().map(row).collect(),
    }
}
