//! What is wrong between a file's tensors and a network's: all of it, by name.

use mnasnet_model::Network;
use mnasnet_model::error::nearest;

use crate::{DType, State};

/// One tensor that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Misfit<'a> {
    /// The network needs it.
    Missing(&'a str),
    /// The file has it in another shape.
    Shape(&'a str, &'a [usize], &'a [usize]),
    /// The network has no place for it.
    Extra(&'a str),
}

/// Compares the tensors that are `wanted` (name and shape) with those of `state` that are not `passed` over.
pub fn misfits<'a>(
    state: &'a State,
    wanted: &'a [(String, Vec<usize>)],
    passed: impl Fn(&str) -> bool,
) -> Vec<Misfit<'a>> {
    let mut misfits = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for (name, shape) in wanted {
        known.insert(name.as_str());
        match state.tensors.get(name) {
            None => misfits.push(Misfit::Missing(name)),
            Some(tensor) if tensor.shape() != shape => misfits.push(Misfit::Shape(name, tensor.shape(), shape)),
            Some(_) => {}
        }
    }
    let extra = state
        .tensors
        .keys()
        .filter(|name| !known.contains(name.as_str()) && !passed(name));
    misfits.extend(extra.map(|name| Misfit::Extra(name)));
    misfits
}

/// The misfits in words, the nearest extra tensor beside a missing one.
pub fn told(misfits: &[Misfit]) -> String {
    let extra = || {
        misfits.iter().filter_map(|misfit| {
            if let Misfit::Extra(name) = misfit {
                Some(*name)
            } else {
                None
            }
        })
    };
    let word = |misfit: &Misfit| match misfit {
        Misfit::Missing(name) => match nearest(name, extra()).filter(|(_, edits)| 3 * edits <= name.len()) {
            Some((near, _)) => format!("{name} is missing (there is {near})"),
            None => format!("{name} is missing"),
        },
        Misfit::Shape(name, is, wanted) => format!("{name} has shape {is:?}, not {wanted:?}"),
        Misfit::Extra(name) => format!("{name} is not in the network"),
    };
    joined(misfits.iter().take(TOLD).map(word).collect(), misfits.len())
}

/// So many are told one by one: beyond it, it is another network altogether.
pub const TOLD: usize = 8;

/// The first [`TOLD`] problems of `count`.
pub fn joined(mut problems: Vec<String>, count: usize) -> String {
    problems.truncate(TOLD);
    let told = problems.join("; ");
    match count.saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

/// How messages name a network.
pub fn described(network: &Network) -> String {
    format!(
        "{} (width {}, {} classes)",
        network.variant.name, network.width, network.classes
    )
}

/// The values of a tensor, which must be there in its shape and be numbers.
///
/// # Errors
/// What is wrong, beginning with its name.
pub fn values(state: &State, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = state.tensors.get(name).ok_or_else(|| format!("{name} is missing"))?;
    if tensor.shape() != shape {
        return Err(format!("{name} has shape {:?}, not {shape:?}", tensor.shape()));
    }
    let values = tensor.floats().ok_or_else(|| match tensor.dtype() {
        DType::I32 | DType::I64 => format!("{name} holds integers, not floats"),
        _ => format!("{name} holds no floats"),
    })?;
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(values),
        Some(value) => Err(format!("{name} holds {value}")),
    }
}
