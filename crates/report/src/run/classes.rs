//! Validation by class over the epochs, in constant memory: every second column goes when there are too many.

use crate::run::line::Classes;

/// The most columns.
const COLUMNS: usize = 120;
/// The most classes.
pub const ROWS: usize = 1000;

/// Shares of each class's photos that are right, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalls {
    /// Epoch, from 0, and each class's share; NaN where a class has no photo.
    columns: Vec<(u64, Vec<f32>)>,
    /// Photos of each class, of the last epoch.
    pub images: Vec<u64>,
    /// Epochs from one column to the next.
    every: u64,
    /// The last epoch, if no column is its.
    last: Option<(u64, Vec<f32>)>,
}

impl Recalls {
    /// Takes an epoch. One of another number of classes is left out, and so are too many classes.
    pub fn push(&mut self, line: Classes) {
        let Classes { epoch, images, right } = line;
        let is_odd = images.len() != right.len() || images.len() > ROWS || images.is_empty();
        let is_other = !self.images.is_empty() && self.images.len() != images.len();
        if is_odd || is_other {
            return;
        }
        let share = |(&all, &right): (&u64, &u64)| (right as f64 / all as f64) as f32;
        let shares = images.iter().zip(&right).map(share).collect();
        self.images = images;
        self.every = self.every.max(1);
        if !epoch.is_multiple_of(self.every) {
            self.last = Some((epoch, shares));
            return;
        }
        self.last = None;
        self.columns.push((epoch, shares));
        if self.columns.len() > COLUMNS {
            self.every *= 2;
            let every = self.every;
            let newest = self
                .columns
                .last()
                .filter(|(epoch, _)| !epoch.is_multiple_of(every))
                .cloned();
            self.columns.retain(|(epoch, _)| epoch.is_multiple_of(every));
            self.last = newest;
        }
    }

    /// All columns, the last epoch's the last.
    pub fn columns(&self) -> impl Iterator<Item = &(u64, Vec<f32>)> {
        self.columns.iter().chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_bounded_and_the_last_epoch_stays() {
        let mut recalls = Recalls::default();
        for epoch in 0..10_001 {
            recalls.push(Classes {
                epoch,
                images: vec![4, 0],
                right: vec![epoch % 5, 0],
            });
            let columns: Vec<_> = recalls.columns().collect();
            assert!(columns.len() <= COLUMNS + 1);
            let (last, shares) = columns[columns.len() - 1];
            assert_eq!((*last, shares[0]), (epoch, (epoch % 5) as f32 / 4.0));
            assert!(shares[1].is_nan());
            assert!(columns.is_sorted_by(|a, b| a.0 < b.0) && columns[0].0 == 0);
        }
        assert!(recalls.columns().count() > COLUMNS / 2 - 2);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut recalls = Recalls::default();
        let line = |images: usize, right: usize| Classes {
            epoch: 0,
            images: vec![1; images],
            right: vec![1; right],
        };
        recalls.push(line(0, 0));
        recalls.push(line(2, 3));
        recalls.push(line(ROWS + 1, ROWS + 1));
        assert_eq!(recalls, Recalls::default());
        recalls.push(line(2, 2));
        recalls.push(line(3, 3));
        assert_eq!((recalls.columns().count(), recalls.images.len()), (1, 2));
    }
}
