//! What is wrong between a file's tensors and a network's: all of it, by name.

use mnasnet_model::Network;
use mnasnet_model::error::nearest;

use crate::{DType, State};

/// A tensor's name and shape.
pub type Named = (String, Vec<usize>);

/// One tensor that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Misfit<'a> {
    /// The network needs it, in this shape.
    Missing(&'a str, &'a [usize]),
    /// The file has it in the first shape instead of the second.
    Shape(&'a str, &'a [usize], &'a [usize]),
    /// The network has no place for it.
    Extra(&'a str, &'a [usize]),
}

/// Compares the tensors that are `wanted` (name and shape) with those of `state` that are not `passed` over.
pub fn misfits<'a>(state: &'a State, wanted: &'a [Named], passed: impl Fn(&str) -> bool) -> Vec<Misfit<'a>> {
    let mut misfits = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for (name, shape) in wanted {
        known.insert(name.as_str());
        match state.tensors.get(name) {
            None => misfits.push(Misfit::Missing(name, shape)),
            Some(tensor) if tensor.shape() != shape => misfits.push(Misfit::Shape(name, tensor.shape(), shape)),
            Some(_) => {}
        }
    }
    for (name, tensor) in &state.tensors {
        if !known.contains(name.as_str()) && !passed(name) {
            misfits.push(Misfit::Extra(name, tensor.shape()));
        }
    }
    misfits
}

/// One misfit in words.
pub fn one(misfit: &Misfit) -> String {
    match misfit {
        Misfit::Missing(name, _) => format!("{name} is missing"),
        Misfit::Shape(name, is, wanted) => format!("{name} has shape {is:?}, not {wanted:?}"),
        Misfit::Extra(name, _) => format!("{name} is not in the network"),
    }
}

/// The misfits in words; beside a missing tensor, the extra one of its shape whose name is nearest.
pub fn told(misfits: &[Misfit]) -> String {
    let near = |name: &str, shape: &[usize]| {
        let extra = misfits.iter().filter_map(|misfit| match misfit {
            Misfit::Extra(extra, its) if *its == shape => Some(*extra),
            _ => None,
        });
        nearest(name, extra).filter(|(_, edits)| 3 * edits <= name.len())
    };
    let word = |misfit: &Misfit| match misfit {
        Misfit::Missing(name, shape) => match near(name, shape) {
            Some((near, _)) => format!("{name} is missing (there is {near})"),
            None => one(misfit),
        },
        Misfit::Shape(..) | Misfit::Extra(..) => one(misfit),
    };
    let mut told = joined(misfits.iter().take(TOLD).map(word).collect(), misfits.len());
    if misfits.iter().any(|misfit| !matches!(misfit, Misfit::Shape(..))) {
        told += "; rename them in Python where the network is this one, or export the model as ONNX, which eval and predict take";
    }
    told
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
