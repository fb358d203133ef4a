//! Means over classes, each named by what it is a mean over. A share that a class has none of counts as 0, as scikit-learn's
//! `zero_division=0` does.

use serde::Serialize;

use crate::confusion::Counts;

/// Means over some of the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Mean {
    /// Classes that it is over.
    pub classes: usize,
    /// Of their precision.
    pub precision: f64,
    /// Of their recall.
    pub recall: f64,
    /// Of their F1.
    pub f1: f64,
}

/// The means in use. They differ where classes have no photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Averages {
    /// Over photos: micro precision, recall and F1 are all the share of photos that are right.
    pub micro: f64,
    /// Over classes that have photos. Its recall is the balanced accuracy.
    pub macro_with_photos: Mean,
    /// Over classes that have photos or are said: scikit-learn's `macro avg` without `labels`, and torchmetrics' `average="macro"`.
    pub macro_with_photos_or_said: Mean,
    /// Over all classes that the model knows: scikit-learn's `macro avg` with all of them as `labels`.
    pub macro_all: Mean,
    /// Over classes, each weighted by its photos: scikit-learn's `weighted avg`.
    pub weighted: Mean,
}

impl Averages {
    /// The means of these classes.
    pub fn of(classes: &[Counts]) -> Self {
        let one = |_: &Counts| 1.0;
        let photos: u64 = classes.iter().map(|class| class.support).sum();
        let right: u64 = classes.iter().map(|class| class.right).sum();
        Self {
            micro: right as f64 / photos.max(1) as f64,
            macro_with_photos: mean(classes, |class| class.support > 0, one),
            macro_with_photos_or_said: mean(classes, |class| class.support + class.said > 0, one),
            macro_all: mean(classes, |_| true, one),
            weighted: mean(classes, |class| class.support > 0, |class| class.support as f64),
        }
    }

    /// The mean recall of the classes that have photos: scikit-learn's `balanced_accuracy_score`.
    pub fn balanced_accuracy(&self) -> f64 {
        self.macro_with_photos.recall
    }
}

fn mean(classes: &[Counts], is_in: impl Fn(&Counts) -> bool, weight: impl Fn(&Counts) -> f64) -> Mean {
    let mut sums = Mean::default();
    let mut weights = 0.0;
    for class in classes.iter().filter(|class| is_in(class)) {
        let weight = weight(class);
        weights += weight;
        sums.classes += 1;
        sums.precision += weight * class.precision().unwrap_or(0.0);
        sums.recall += weight * class.recall().unwrap_or(0.0);
        sums.f1 += weight * class.f1().unwrap_or(0.0);
    }
    // Without classes all sums are 0.
    let weights = if weights > 0.0 { weights } else { 1.0 };
    Mean {
        classes: sums.classes,
        precision: sums.precision / weights,
        recall: sums.recall / weights,
        f1: sums.f1 / weights,
    }
}
