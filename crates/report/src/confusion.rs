//! Which class is taken for which: the confusion matrix, and what follows of it.

use std::collections::BTreeMap;

use mnasnet_judge::outcomes::Outcome;
use serde::Serialize;

/// Photos of one class for which a model says one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The class of the photos.
    pub label: u32,
    /// What the model says.
    pub said: u32,
    /// How many there are.
    pub count: u64,
}

/// The confusion matrix. Cells without photos are left out, so that memory follows the photos and not the classes' square.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// The cells by label, then by what was said.
    pub cells: Vec<Cell>,
    /// A row a class.
    pub classes: Vec<Counts>,
}

/// Photos of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Photos of the class.
    pub support: u64,
    /// Photos for which the model says the class.
    pub said: u64,
    /// Photos of the class for which the model says so.
    pub right: u64,
}

impl Counts {
    /// Share of the photos for which the model says the class that are of the class. None where the model never says it.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.said)
    }

    /// Share of the class's photos for which the model says so. None where there are no photos.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.support)
    }

    /// The harmonic mean of both. None where there are neither photos nor answers.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.right, self.support + self.said)
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl Confusion {
    /// Counts what a model of so many classes said.
    pub fn of(photos: &[Outcome], classes: usize) -> Self {
        let mut rows = vec![Counts::default(); classes];
        let mut cells = BTreeMap::new();
        for photo in photos {
            let (label, said) = (photo.label, photo.says());
            *cells.entry((label, said)).or_insert(0) += 1;
            rows[label as usize].support += 1;
            rows[said as usize].said += 1;
            rows[label as usize].right += u64::from(label == said);
        }
        let cell = |((label, said), count)| Cell { label, said, count };
        Self {
            cells: cells.into_iter().map(cell).collect(),
            classes: rows,
        }
    }

    /// Photos of class `label` for which the model says `said`.
    pub fn count(&self, label: u32, said: u32) -> u64 {
        let found = self
            .cells
            .binary_search_by_key(&(label, said), |cell| (cell.label, cell.said));
        found.map_or(0, |at| self.cells[at].count)
    }

    /// Cells of wrong answers: those of most photos first, of equal ones those of the larger share of their class.
    pub fn mistakes(&self) -> Vec<Cell> {
        let mut wrong: Vec<Cell> = self
            .cells
            .iter()
            .filter(|cell| cell.label != cell.said)
            .copied()
            .collect();
        let support = |cell: &Cell| self.classes[cell.label as usize].support;
        wrong.sort_by(|a, b| b.count.cmp(&a.count).then(support(a).cmp(&support(b))));
        wrong
    }

    /// Groups of classes that are taken for each other, at most `most` of at most `size` classes: those of most mistakes within first.
    /// The pair of most mistakes begins a group; a pair joins the groups of its classes while they are small enough.
    pub fn blocks(&self, most: usize, size: usize) -> Vec<Vec<u32>> {
        let mut group_of: BTreeMap<u32, usize> = BTreeMap::new();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for Cell { label, said, .. } in self.mistakes() {
            let mut place = |class: u32| {
                *group_of.entry(class).or_insert_with(|| {
                    groups.push(vec![class]);
                    groups.len() - 1
                })
            };
            let (a, b) = (place(label), place(said));
            if a != b && groups[a].len() + groups[b].len() <= size {
                let moved = std::mem::take(&mut groups[b]);
                moved
                    .iter()
                    .for_each(|class| *group_of.get_mut(class).unwrap_or(&mut 0) = a);
                groups[a].extend(moved);
            }
        }
        let mut within = vec![0; groups.len()];
        for cell in &self.cells {
            let place = |class| group_of.get(&class);
            if let (Some(a), Some(b)) = (place(cell.label), place(cell.said))
                && a == b
                && cell.label != cell.said
            {
                within[*a] += cell.count;
            }
        }
        let mut order: Vec<usize> = (0..groups.len()).filter(|&group| within[group] > 0).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(within[group]));
        let sorted = |group: usize| {
            let mut classes = groups[group].clone();
            classes.sort_unstable();
            classes
        };
        order.into_iter().take(most).map(sorted).collect()
    }
}
