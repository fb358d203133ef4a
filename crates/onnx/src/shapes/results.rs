//! What an operation makes of its inputs.

use super::fold;
use super::rules::Rule;
use super::value::{Inputs, Value, axis, int, ints, list};
use super::window::{channels_last, window};
use crate::proto::Node;
use crate::read::text;

/// Channels that ONNX Runtime's own layout keeps together, at most.
const BLOCK: usize = 16;

/// All that a node makes: one value an output.
pub(super) fn results(rule: Rule, node: &Node, inputs: &Inputs) -> Result<Vec<Value>, String> {
    let first = match rule {
        Rule::Split => return split(node, inputs),
        _ => result(rule, node, inputs)?,
    };
    let numbers = fold::numbers(node, inputs, &first);
    let first = first.with(numbers);
    // What a node makes beside its result: places of maxima, masks, moments; scale and zero point.
    let more = match rule {
        Rule::Quantise => Value::new(Vec::new())?,
        _ => Value {
            numbers: None,
            ..first.clone()
        },
    };
    let mut all = vec![more; node.output.len().max(1)];
    all[0] = first;
    Ok(all)
}

fn result(rule: Rule, node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    let second = |at: usize| inputs.get(at).ok_or("reads one value, but needs two".to_owned());
    match rule {
        Rule::Same | Rule::Quantise => Ok(Value {
            numbers: None,
            ..first.clone()
        }),
        Rule::Broadcast => {
            second(1)?;
            broadcast(inputs.there())
        }
        Rule::Conv(weight) => {
            let weight = second(weight)?
                .sides
                .as_deref()
                .ok_or("has a kernel of unknown shape")?;
            let [channels, _, kernel @ ..] = weight else {
                return Err(format!("has a kernel of shape {weight:?}"));
            };
            window(node, first.known()?, Some(*channels), kernel)
        }
        Rule::Pool => {
            let kernel = ints(node, "kernel_shape")?.ok_or("has no kernel_shape")?;
            window(node, first.known()?, None, &kernel)
        }
        Rule::GlobalPool => {
            let mut sides = first.known()?.to_vec();
            let (from, to) = match channels_last(node) {
                true => (1, sides.len().saturating_sub(1)),
                false => (2, sides.len()),
            };
            sides.iter_mut().take(to).skip(from).for_each(|side| *side = 1);
            Value::new(sides)
        }
        Rule::Flatten => {
            let sides = first.known()?;
            let at = match int(node, "axis", 1) {
                at if at == sides.len() as i64 => sides.len(),
                at => axis(at, sides.len())?,
            };
            let product = |sides: &[usize]| sides.iter().product();
            Value::new(vec![product(&sides[..at]), product(&sides[at..])])
        }
        Rule::Product(at) => product(first, second(at)?, node),
        Rule::Gemm(at) => gemm(first, second(at)?, node),
        Rule::Reduce => reduce(node, inputs),
        Rule::Choose => shrink(first, &[int(node, "axis", 0)], node),
        Rule::Squeeze => squeeze(node, inputs),
        Rule::Unsqueeze => unsqueeze(node, inputs),
        Rule::Transpose => {
            let Some(sides) = &first.sides else {
                return Value::within(Some(first.count));
            };
            let order = order(node, sides.len())?;
            Value::new(order.into_iter().map(|at| sides[at]).collect())
        }
        Rule::Reshape => reshape(node, inputs),
        Rule::Concat => concat(node, inputs),
        Rule::Slice => slice(node, inputs),
        Rule::Gather => {
            let (Some(sides), Some(places)) = (&first.sides, &second(1)?.sides) else {
                return Err("reads a value of unknown shape".into());
            };
            let at = axis(int(node, "axis", 0), sides.len())?;
            Value::new([&sides[..at], places, &sides[at + 1..]].concat())
        }
        Rule::Shape => {
            let sides = first.known()?;
            let bound = |at: i64| if at < 0 { at + sides.len() as i64 } else { at };
            let clamp = |at: i64| bound(at).clamp(0, sides.len() as i64) as usize;
            let (start, end) = (clamp(int(node, "start", 0)), clamp(int(node, "end", i64::MAX)));
            let part = sides.get(start..end).unwrap_or_default();
            Ok(Value::row(part.iter().map(|&side| side as i64).collect()))
        }
        Rule::Pad => pad(node, inputs),
        Rule::Expand => {
            let shape = inputs.numbers(1, "sides")?.ok_or("has no shape")?;
            let wanted = Value::new(small(shape)?)?;
            broadcast([first, &wanted].into_iter())
        }
        Rule::Tile => {
            let repeats = small(inputs.numbers(1, "repeats")?.ok_or("has no repeats")?)?;
            let sides = first.known()?.iter().zip(&repeats);
            let sides = sides.map(|(side, times)| side.checked_mul(*times));
            Value::new(
                sides
                    .collect::<Option<_>>()
                    .ok_or("would make more values than the limit")?,
            )
        }
        Rule::Fill => Value::new(small(inputs.numbers(0, "sides")?.unwrap_or_default())?),
        Rule::Resize => {
            let sizes = inputs.numbers(3, "sizes")?;
            let sizes = small(sizes.ok_or("resizes by a factor; sizes are needed")?)?;
            let mut sides = first.known()?.to_vec();
            let axes = match list(node, "axes") {
                None => (0..sides.len()).collect(),
                Some(axes) => resolve(axes, sides.len())?,
            };
            for (at, size) in axes.into_iter().zip(sizes) {
                sides[at] = size;
            }
            Value::new(sides)
        }
        Rule::Reorder => match *first.known()? {
            [images, a, b, c] => {
                let [channels, height, width] = if channels_last(node) { [c, a, b] } else { [a, b, c] };
                Value::new(vec![images, channels.next_multiple_of(BLOCK), height, width])
            }
            _ => Err("reorders what is no image".into()),
        },
        Rule::Restore => match *first.known()? {
            [images, channels, height, width] => {
                let channels = match usize::try_from(int(node, "channels", 0)) {
                    Ok(count) if (1..=channels).contains(&count) => count,
                    _ => channels,
                };
                Value::new(match channels_last(node) {
                    true => vec![images, height, width, channels],
                    false => vec![images, channels, height, width],
                })
            }
            _ => Err("reorders what is no image".into()),
        },
        Rule::Split => unreachable!("`results` has it"),
    }
}

/// The order in which a transposition takes the axes.
pub(super) fn order(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    match list(node, "perm") {
        None => Ok((0..rank).rev().collect()),
        Some(perm) if perm.len() == rank => resolve(perm, rank),
        Some(perm) => Err(format!("has an order of {} axes for {rank}", perm.len())),
    }
}

/// Sides that are not negative.
fn small(numbers: &[i64]) -> Result<Vec<usize>, String> {
    let side = |&number: &i64| usize::try_from(number).map_err(|_| format!("has the side {number}"));
    numbers.iter().map(side).collect()
}

fn resolve(axes: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    axes.iter().map(|&at| axis(at, rank)).collect()
}

/// The larger side of all values on each axis.
fn broadcast<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Value, String> {
    let values: Vec<&Value> = values.collect();
    let all: Option<Vec<&[usize]>> = values.iter().map(|value| value.sides.as_deref()).collect();
    let Some(all) = all else {
        let product = |count: usize, value: &&Value| count.checked_mul(value.count);
        return Value::within(values.iter().try_fold(1, product));
    };
    let rank = all.iter().map(|sides| sides.len()).max().unwrap_or(0);
    let side = |sides: &&[usize], at: usize| (at + sides.len()).checked_sub(rank).map_or(1, |at| sides[at]);
    let largest = |at: usize| all.iter().map(|sides| side(sides, at)).max().unwrap_or(1);
    Value::new((0..rank).map(largest).collect())
}

/// A product of matrices, the last two axes of each; of any other axes as [`broadcast`].
fn product(a: &Value, b: &Value, node: &Node) -> Result<Value, String> {
    let matrix = b.sides.as_deref().ok_or("has a matrix of unknown shape")?;
    let [.., rows, columns] = *matrix else {
        return Err(format!("has a matrix of shape {matrix:?}"));
    };
    let turned = |name: &str| int(node, name, 0) != 0;
    if turned("transBatchA") || turned("transBatchB") {
        return Err("turns batches of matrices".into());
    }
    let (inner, outer) = if turned("transB") {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let Some(sides) = &a.sides else {
        // As many rows as the values make, at most.
        let others: usize = matrix[..matrix.len() - 2].iter().product();
        let rows = a.count.div_ceil(inner.max(1)).checked_mul(others);
        return Value::within(rows.and_then(|rows| rows.checked_mul(outer)));
    };
    let [others @ .., last] = sides.as_slice() else {
        return Err("multiplies a single number".into());
    };
    let (others, height, width) = match others {
        [] => (others, None, *last),
        [before @ .., side] if turned("transA") => (before, Some(*last), *side),
        [before @ .., side] => (before, Some(*side), *last),
    };
    if width != inner {
        return Err(format!("multiplies {sides:?} by {matrix:?}"));
    }
    let batches = [
        Value::new(others.to_vec())?,
        Value::new(matrix[..matrix.len() - 2].to_vec())?,
    ];
    let mut sides = broadcast(batches.iter())?.sides.unwrap_or_default();
    sides.extend(height.into_iter().chain([outer]));
    Value::new(sides)
}

/// `A * B` of two matrices, either of them turned.
fn gemm(a: &Value, b: &Value, node: &Node) -> Result<Value, String> {
    let matrix = b.sides.as_deref().ok_or("has a matrix of unknown shape")?;
    let [rows, columns] = *matrix else {
        return Err(format!("has a matrix of shape {matrix:?}"));
    };
    let turned = |name: &str| int(node, name, 0) != 0;
    let (inner, outer) = if turned("transB") {
        (columns, rows)
    } else {
        (rows, columns)
    };
    match a.sides.as_deref() {
        None => Value::within(a.count.div_ceil(inner.max(1)).checked_mul(outer)),
        Some(&[height, width]) => {
            let (height, width) = if turned("transA") {
                (width, height)
            } else {
                (height, width)
            };
            match width == inner {
                true => Value::new(vec![height, outer]),
                false => Err(format!(
                    "multiplies {:?} by {matrix:?}",
                    a.sides.as_deref().unwrap_or_default()
                )),
            }
        }
        Some(sides) => Err(format!("multiplies {sides:?} by a matrix")),
    }
}

/// Axes: an attribute in older operator sets, an input in newer ones. `Ok(None)` where neither is there.
fn axes(node: &Node, inputs: &Inputs) -> Result<Option<Vec<i64>>, String> {
    match list(node, "axes") {
        Some(axes) => Ok(Some(axes.to_vec())),
        None => Ok(inputs.numbers(1, "axes")?.map(<[i64]>::to_vec)),
    }
}

fn reduce(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    // ONNX Runtime's quantised mean has scale and zero point there, and its axes among the attributes.
    let axes = match text(&node.op_type).starts_with("QLinear") {
        true => list(node, "axes").map(<[i64]>::to_vec),
        false => axes(node, inputs)?,
    };
    match axes.filter(|axes| !axes.is_empty()) {
        Some(axes) => shrink(first, &axes, node),
        None if int(node, "noop_with_empty_axes", 0) == 1 => Ok(Value {
            numbers: None,
            ..first.clone()
        }),
        None => {
            let all: Vec<i64> = (0..first.known()?.len() as i64).collect();
            shrink(first, &all, node)
        }
    }
}

/// Lets axes become 1, or go, as `keepdims` says.
fn shrink(value: &Value, axes: &[i64], node: &Node) -> Result<Value, String> {
    let Some(sides) = &value.sides else {
        return Value::within(Some(value.count));
    };
    let gone = resolve(axes, sides.len())?;
    let kept = int(node, "keepdims", 1) == 1;
    let sides = sides
        .iter()
        .enumerate()
        .filter_map(|(at, &side)| match gone.contains(&at) {
            false => Some(side),
            true => kept.then_some(1),
        });
    Value::new(sides.collect())
}

fn squeeze(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    let Some(sides) = &first.sides else {
        return Value::within(Some(first.count));
    };
    let gone = match axes(node, inputs)? {
        Some(axes) => resolve(&axes, sides.len())?,
        None => (0..sides.len()).filter(|&at| sides[at] == 1).collect(),
    };
    if let Some(at) = gone.iter().find(|&&at| sides[at] != 1) {
        return Err(format!("takes axis {at} off {sides:?}, which is not 1"));
    }
    let kept = (0..sides.len()).filter(|at| !gone.contains(at));
    Value::new(kept.map(|at| sides[at]).collect())
}

fn unsqueeze(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    let axes = axes(node, inputs)?.ok_or("has no axes")?;
    let Some(sides) = &first.sides else {
        return Value::within(Some(first.count));
    };
    let rank = sides.len() + axes.len();
    let new = resolve(&axes, rank)?;
    let mut old = sides.iter();
    let side = |at: usize| {
        if new.contains(&at) {
            Some(1)
        } else {
            old.next().copied()
        }
    };
    let sides: Option<Vec<usize>> = (0..rank).map(side).collect();
    Value::new(sides.ok_or("names an axis twice")?)
}

fn reshape(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    let numbers = inputs.get(1).and_then(|value| value.numbers.as_deref());
    let Some(shape) = list(node, "shape").or(numbers) else {
        return Value::within(Some(first.count));
    };
    let same = int(node, "allowzero", 0) == 0;
    let side = |(at, &side): (usize, &i64)| match side {
        0 if same => first.sides.as_ref().and_then(|sides| sides.get(at)).copied(),
        -1 => Some(1),
        side => usize::try_from(side).ok(),
    };
    let sides: Option<Vec<usize>> = shape.iter().enumerate().map(side).collect();
    let Some(mut sides) = sides else {
        return Value::within(Some(first.count));
    };
    let rest = Value::new(sides.clone())?.count;
    if let Some(open) = shape.iter().position(|&side| side == -1) {
        if rest == 0 || !first.count.is_multiple_of(rest) {
            return Err(format!("cannot bring {} values to the shape {shape:?}", first.count));
        }
        if first.sides.is_none() {
            return Value::within(Some(first.count));
        }
        sides[open] = first.count / rest;
    } else if first.sides.is_some() && rest != first.count {
        return Err(format!("cannot bring {} values to the shape {shape:?}", first.count));
    }
    Value::new(sides)
}

fn concat(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let all: Option<Vec<&[usize]>> = inputs.there().map(|value| value.sides.as_deref()).collect();
    let Some([first, rest @ ..]) = all.as_deref() else {
        let sum = |sum: usize, value: &Value| sum.checked_add(value.count);
        return Value::within(inputs.there().try_fold(0, sum));
    };
    let at = axis(int(node, "axis", 1), first.len())?;
    let mut sides = first.to_vec();
    for other in rest {
        let fits = other.len() == sides.len() && (0..sides.len()).all(|side| side == at || other[side] == sides[side]);
        if !fits {
            return Err(format!("joins {first:?} and {other:?}"));
        }
        sides[at] += other[at];
    }
    Value::new(sides)
}

fn split(node: &Node, inputs: &Inputs) -> Result<Vec<Value>, String> {
    let first = inputs.first()?;
    let parts = node.output.len().max(1);
    let sides = first.known()?;
    let at = axis(int(node, "axis", 0), sides.len())?;
    let given = match list(node, "split") {
        Some(sizes) => Some(sizes),
        None => inputs.numbers(1, "sizes")?,
    };
    let sizes = match given {
        Some(sizes) => small(sizes)?,
        None => {
            let size = sides[at].div_ceil(parts);
            (0..parts)
                .map(|part| size.min(sides[at].saturating_sub(part * size)))
                .collect()
        }
    };
    if sizes.len() != parts || sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) != Some(sides[at]) {
        return Err(format!("splits {} into {sizes:?}", sides[at]));
    }
    let part = |size: usize| {
        let mut sides = sides.to_vec();
        sides[at] = size;
        Value::new(sides)
    };
    sizes.into_iter().map(part).collect()
}

/// Where a slice of a row of `length` begins, how many steps it has, and how long each is.
pub(super) fn span(length: usize, [start, end, step]: [i64; 3]) -> Result<(i64, usize, i64), String> {
    let length = length as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (start, end) = (from_end(start), from_end(end));
    let (start, end) = match step {
        0 => return Err("slices in steps of 0".into()),
        1.. => (start.clamp(0, length), end.clamp(0, length)),
        _ => (start.clamp(-1, length - 1), end.clamp(-1, length - 1)),
    };
    let steps = match step > 0 {
        true => (end - start).max(0) as u64,
        false => (start - end).max(0) as u64,
    };
    Ok((start, steps.div_ceil(step.unsigned_abs()) as usize, step))
}

/// An axis that a slice cuts, and its start, end and step.
type Part = (usize, [i64; 3]);

/// The parts that a slice takes.
pub(super) fn parts(node: &Node, inputs: &Inputs, rank: usize) -> Result<Option<Vec<Part>>, String> {
    let given = |at: usize, name: &str| match list(node, name) {
        Some(values) => Some(values),
        None => inputs.get(at).and_then(|value| value.numbers.as_deref()),
    };
    let (Some(starts), Some(ends)) = (given(1, "starts"), given(2, "ends")) else {
        return Ok(None);
    };
    let axes = match given(3, "axes") {
        Some(axes) => resolve(axes, rank)?,
        None if inputs.get(3).is_some() => return Ok(None),
        None => (0..starts.len()).collect(),
    };
    let steps = match given(4, "steps") {
        Some(steps) => steps.to_vec(),
        None if inputs.get(4).is_some() => return Ok(None),
        None => vec![1; starts.len()],
    };
    let even = [ends.len(), axes.len(), steps.len()]
        .iter()
        .all(|&count| count == starts.len());
    if !even || axes.iter().any(|&at| at >= rank) {
        return Err("slices with lists of different lengths".into());
    }
    let part = |at: usize| (axes[at], [starts[at], ends[at], steps[at]]);
    Ok(Some((0..starts.len()).map(part).collect()))
}

fn slice(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let first = inputs.first()?;
    let Some(sides) = &first.sides else {
        return Value::within(Some(first.count));
    };
    let Some(parts) = parts(node, inputs, sides.len())? else {
        return Value::within(Some(first.count));
    };
    let mut sides = sides.clone();
    for (at, part) in parts {
        sides[at] = span(sides[at], part)?.1;
    }
    Value::new(sides)
}

fn pad(node: &Node, inputs: &Inputs) -> Result<Value, String> {
    let sides = inputs.first()?.known()?;
    let pads = match list(node, "pads") {
        Some(pads) => pads,
        None => inputs.numbers(1, "pads")?.ok_or("has no pads")?,
    };
    let axes = match inputs.numbers(3, "axes")? {
        Some(axes) => resolve(axes, sides.len())?,
        None => (0..sides.len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("has {} pads for {} axes", pads.len(), axes.len()));
    }
    let mut padded = sides.to_vec();
    for (place, &at) in axes.iter().enumerate() {
        let side = [pads[place], pads[place + axes.len()]]
            .iter()
            .try_fold(sides[at] as i64, |side, pad| side.checked_add(*pad));
        let side = side.and_then(|side| usize::try_from(side).ok());
        padded[at] = side.ok_or_else(|| format!("pads {sides:?} by {pads:?}"))?;
    }
    Value::new(padded)
}
