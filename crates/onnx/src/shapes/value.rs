//! What is known of a value before it is computed.

use super::MAX_VALUES;
use crate::proto::{Attribute, Node};
use crate::read::text;

/// Numbers that are followed, of a value, at most: shapes, axes, places.
pub(super) const MAX_NUMBERS: usize = 64;

/// A value: its sides where they are known, the most values that it can have, and its numbers where it is a small row of integers
/// that follows from the model alone and from the images' shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Value {
    pub sides: Option<Vec<usize>>,
    pub count: usize,
    pub numbers: Option<Vec<i64>>,
}

impl Value {
    pub fn new(sides: Vec<usize>) -> Result<Self, String> {
        let count = sides.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
        match count.filter(|&count| count <= MAX_VALUES) {
            Some(count) => Ok(Self {
                sides: Some(sides),
                count,
                numbers: None,
            }),
            None => Err(format!(
                "would make {sides:?} values, more than the limit of {MAX_VALUES}"
            )),
        }
    }

    /// A value whose sides are not known.
    pub fn within(count: Option<usize>) -> Result<Self, String> {
        let count = count.filter(|&count| count <= MAX_VALUES);
        Ok(Self {
            count: count.ok_or("would make more values than the limit")?,
            ..Self::default()
        })
    }

    /// A row of integers.
    pub fn row(numbers: Vec<i64>) -> Self {
        Self {
            sides: Some(vec![numbers.len()]),
            count: numbers.len(),
            numbers: Some(numbers),
        }
    }

    /// The same with these numbers, if there are as many as the value has.
    pub fn with(self, numbers: Option<Vec<i64>>) -> Self {
        let numbers = numbers.filter(|numbers| numbers.len() == self.count && numbers.len() <= MAX_NUMBERS);
        Self { numbers, ..self }
    }

    /// Its sides.
    pub fn known(&self) -> Result<&[usize], String> {
        self.sides.as_deref().ok_or("reads a value of unknown shape".into())
    }
}

/// What a node reads, by place; an input that may be left out may be missing.
pub(super) struct Inputs<'a>(pub Vec<Option<&'a Value>>);

impl<'a> Inputs<'a> {
    pub fn first(&self) -> Result<&'a Value, String> {
        self.get(0).ok_or("reads nothing".into())
    }

    pub fn get(&self, at: usize) -> Option<&'a Value> {
        self.0.get(at).copied().flatten()
    }

    pub fn there(&self) -> impl Iterator<Item = &'a Value> {
        self.0.iter().copied().flatten()
    }

    /// The numbers of an input: `Ok(None)` where it is left out.
    pub fn numbers(&self, at: usize, what: &str) -> Result<Option<&'a [i64]>, String> {
        let Some(value) = self.get(at) else {
            return Ok(None);
        };
        let numbers = value.numbers.as_deref();
        let unknown = || format!("takes {what} that are not known before it runs");
        numbers.map(Some).ok_or_else(unknown)
    }
}

pub(super) fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|attribute| text(&attribute.name) == name)
}

/// An integer among the attributes, or its default.
pub(super) fn int(node: &Node, name: &str, default: i64) -> i64 {
    attribute(node, name).and_then(|found| found.i).unwrap_or(default)
}

/// A list of integers among the attributes.
pub(super) fn list<'a>(node: &'a Node, name: &str) -> Option<&'a [i64]> {
    attribute(node, name).map(|found| found.ints.as_slice())
}

/// A list of small integers that are not negative.
pub(super) fn ints(node: &Node, name: &str) -> Result<Option<Vec<usize>>, String> {
    let small = |&value: &i64| match value {
        0..=16_384 => Ok(value as usize),
        _ => Err(format!("has {value} among its {name}")),
    };
    list(node, name)
        .map(|values| values.iter().map(small).collect())
        .transpose()
}

/// An axis of `rank` axes, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(at).ok().filter(|&at| at < rank) {
        Some(at) => Ok(at),
        None => Err(format!("names axis {axis} of {rank}")),
    }
}
