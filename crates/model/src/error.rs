//! What can be wrong with a request for a network.

/// Why a network, a table or a name could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// No row and no alias of the table of variants has this name.
    #[error("unknown model `{name}`{hint}; the models are {known}")]
    UnknownVariant {
        /// What was asked for.
        name: String,
        /// The name that is a typing error away, as " (did you mean `name`?)", or nothing where none is.
        hint: String,
        /// All names that [`crate::Variant::by_name`] accepts, separated by commas.
        known: String,
    },
    /// An alias that also fixes the width, where only a variant can be given.
    #[error("{name:?} means {variant:?} at width {width}: give these two")]
    NameHasWidth {
        /// What was asked for.
        name: String,
        /// The variant it stands for.
        variant: String,
        /// The width multiplier it stands for.
        width: f64,
    },
    /// Rows that are not of their form.
    #[error("the rows of a network cannot be read: {reason}")]
    Rows {
        /// What is wrong, and where.
        reason: String,
    },
    /// A row of a variant says what no network can have.
    #[error("{variant:?}, {place}: {reason}")]
    Row {
        /// The variant's name.
        variant: String,
        /// Which row: `block 3`, from 0 on.
        place: String,
        /// What is wrong, and what to give.
        reason: String,
    },
    /// The width multiplier is not a number in `(0, MAX_WIDTH]`.
    #[error("width multiplier {width} is out of range: give a number above 0 and at most {max}")]
    Width {
        /// What was asked for.
        width: f64,
        /// The largest that is accepted.
        max: f64,
    },
    /// The number of classes is 0 or too large.
    #[error("{classes} classes are out of range: give 1 to {max}")]
    Classes {
        /// What was asked for.
        classes: usize,
        /// The largest that is accepted.
        max: usize,
    },
    /// The dropout rate is not in `[0, 1)`.
    #[error("dropout rate {rate} is out of range: give a number from 0 up to, not including, 1")]
    Dropout {
        /// What was asked for.
        rate: f32,
    },
    /// The image side is 0 or too large.
    #[error("resolution {resolution} is out of range: give 1 to {max} pixels")]
    Resolution {
        /// What was asked for.
        resolution: usize,
        /// The largest that is accepted.
        max: usize,
    },
    /// The origin of a dialect has no such layer, so its tensors have no name there.
    #[error("{tensor} of {variant} has no name in {dialect}: that origin has no such layer; use timm's names")]
    NoName {
        /// Our name of the tensor.
        tensor: String,
        /// The variant that owns it.
        variant: String,
        /// The dialect asked for.
        dialect: &'static str,
    },
}

/// The name in `known` that is the fewest edits (insert, delete, replace) from `name`, the first of equals, with their number.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, usize)> {
    // A name as long as a book is nobody's typing error; comparing its head bounds the work.
    let name: Vec<char> = name.to_lowercase().chars().take(64).collect();
    known
        .into_iter()
        .map(|candidate| (candidate, edit_distance(&name, candidate)))
        .min_by_key(|(_, edits)| *edits)
}

fn edit_distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
