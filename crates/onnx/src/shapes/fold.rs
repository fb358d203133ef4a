//! Rows of integers that follow from the model alone and from the images' shape: how exporters compute the sides of a reshape.

use super::results::{order, parts, span};
use super::value::{Inputs, MAX_NUMBERS, Value, int};
use crate::proto::{INT32, INT64, Node};
use crate::read::{integers, is_standard, text};

/// The numbers of what a node makes, where they are known.
pub(super) fn numbers(node: &Node, inputs: &Inputs, result: &Value) -> Option<Vec<i64>> {
    if !is_standard(node) || result.count > MAX_NUMBERS {
        return None;
    }
    let of = |at: usize| inputs.get(at)?.numbers.as_deref();
    match text(&node.op_type) {
        "Shape" => result.numbers.clone(),
        "Cast" => {
            let integers = [INT32, INT64].map(i64::from);
            (integers.contains(&int(node, "to", 0))).then(|| of(0).map(<[i64]>::to_vec))?
        }
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => of(0).map(<[i64]>::to_vec),
        "Concat" => {
            let rows: Option<Vec<&[i64]>> = inputs.there().map(|value| value.numbers.as_deref()).collect();
            (result.sides.as_ref()?.len() == 1).then(|| rows.map(|rows| rows.concat()))?
        }
        "Gather" => {
            let (row, places) = (of(0)?, of(1)?);
            let place = |&at: &i64| {
                let at = if at < 0 { at + row.len() as i64 } else { at };
                row.get(usize::try_from(at).ok()?).copied()
            };
            (inputs.get(0)?.sides.as_ref()?.len() == 1).then(|| places.iter().map(place).collect())?
        }
        "Slice" => {
            let (row, sides) = (of(0)?, inputs.get(0)?.sides.as_deref()?);
            let mut spans = vec![(0, 1); sides.len()];
            for (at, part) in parts(node, inputs, sides.len()).ok()?? {
                let (start, _, step) = span(sides[at], part).ok()?;
                spans[at] = (start, step);
            }
            let source = |at: usize, place: usize| (at, spans[at].0 + place as i64 * spans[at].1);
            rearranged(row, sides, result.sides.as_deref()?, source)
        }
        "Transpose" => {
            let (row, sides) = (of(0)?, inputs.get(0)?.sides.as_deref()?);
            let order = order(node, sides.len()).ok()?;
            rearranged(row, sides, result.sides.as_deref()?, |at, place| {
                (order[at], place as i64)
            })
        }
        "ConstantOfShape" => {
            let value = node.attribute.first().and_then(|attribute| attribute.t.as_deref());
            let [value] = integers(value?, 1)?[..] else {
                return None;
            };
            Some(vec![value; result.count])
        }
        op @ ("Add" | "Sub" | "Mul" | "Div" | "Max" | "Min") => {
            let (a, b) = (of(0)?, of(1)?);
            let pick = |row: &[i64], at: usize| if row.len() == 1 { row[0] } else { row[at] };
            let fits = |row: &[i64]| row.len() == 1 || row.len() == result.count;
            if !fits(a) || !fits(b) || result.sides.as_ref()?.len() > 1 || inputs.0.len() != 2 {
                return None;
            }
            let pair = |at: usize| arithmetic(op, pick(a, at), pick(b, at));
            (0..result.count).map(pair).collect()
        }
        _ => None,
    }
}

/// The numbers of an array of the sides `to`, each from its place in an array of the sides `from`: `source` says for an axis of the
/// new array and a place on it, on which axis and where.
fn rearranged(
    row: &[i64],
    from: &[usize],
    to: &[usize],
    source: impl Fn(usize, usize) -> (usize, i64),
) -> Option<Vec<i64>> {
    let number = |index: usize| {
        let mut places = vec![0; from.len()];
        let mut rest = index;
        for at in (0..to.len()).rev() {
            let (axis, place) = source(at, rest % to[at]);
            *places.get_mut(axis)? = usize::try_from(place).ok()?;
            rest /= to[at];
        }
        let flat = places
            .iter()
            .zip(from)
            .fold(0, |flat, (place, side)| flat * side + place);
        row.get(flat).copied()
    };
    (0..to.iter().product()).map(number).collect()
}

/// As integers of 64 bits and of 32 bits agree: a runtime may compute in either.
fn arithmetic(op: &str, a: i64, b: i64) -> Option<i64> {
    let narrow = |number: i64| i32::try_from(number).ok();
    let (a, b) = (narrow(a)?, narrow(b)?);
    let number = match op {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        "Max" => Some(a.max(b)),
        _ => Some(a.min(b)),
    };
    number.map(i64::from)
}
