//! The classifier of a file: people replace it when they fine-tune, and wrap the new one in modules of their own.

use mnasnet_model::{Dialect, Place};

use crate::State;
use crate::fit::Misfit;

/// The one linear layer behind the pooling, wherever it lies in the classifier.
pub(crate) struct Head {
    /// Name of the module, behind the prefix.
    module: String,
    /// Whether it has a bias; without one, ours is zero.
    bias: bool,
    /// Rows of its weight.
    pub(crate) classes: usize,
}

/// The module that a dialect's classifier lies in, and where in that module.
fn usual(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Timm | Dialect::Mindcv => ("classifier", "classifier"),
        Dialect::Torchvision => ("classifier", "classifier.1"),
        Dialect::MindSpore => ("fc", "fc"),
    }
}

/// Tensors of the classifier: their names behind the prefix, and their shapes.
fn tensors<'a>(state: &'a State, root: &str, prefix: &'a str) -> Vec<(&'a str, &'a [usize])> {
    let start = format!("{prefix}{root}.");
    let all = state.tensors.range(start.clone()..);
    all.take_while(|(name, _)| name.starts_with(&start))
        .map(|(name, tensor)| (&name[prefix.len()..], tensor.shape()))
        .collect()
}

impl Head {
    /// The layer, if the classifier has no other tensors than its weight and its bias.
    pub(crate) fn find(state: &State, dialect: Dialect, prefix: &str) -> Option<Self> {
        let found = tensors(state, usual(dialect).0, prefix);
        let (module, classes) = found.iter().find_map(|(name, shape)| match shape {
            [classes, _] => Some((name.strip_suffix(".weight")?, *classes)),
            _ => None,
        })?;
        let bias = format!("{module}.bias");
        let others = found.iter().filter(|(name, _)| *name != format!("{module}.weight"));
        let others: Vec<&str> = others.map(|(name, _)| *name).collect();
        let known = others.iter().all(|name| *name == bias);
        known.then(|| Self {
            module: module.to_owned(),
            bias: others.contains(&&*bias),
            classes,
        })
    }

    /// Lets the dialect's names of a network be those of the file.
    pub(crate) fn rename(&self, dialect: Dialect, names: &mut Vec<(String, Place)>) {
        let module = usual(dialect).1;
        let (weight, bias) = (format!("{module}.weight"), format!("{module}.bias"));
        if !self.bias {
            names.retain(|(name, _)| *name != bias);
        }
        for (name, _) in names.iter_mut() {
            if *name == weight || *name == bias {
                *name = name.replacen(module, &self.module, 1);
            }
        }
    }
}

/// Whether nothing of a classifier is there: the network ends with the pooled features.
pub(crate) fn is_absent(state: &State, dialect: Dialect, prefix: &str) -> bool {
    tensors(state, usual(dialect).0, prefix).is_empty()
}

/// Takes the classifier out of the dialect's names.
pub(crate) fn leave_out(dialect: Dialect, names: &mut Vec<(String, Place)>) {
    let inside = format!("{}.", usual(dialect).1);
    names.retain(|(name, _)| !name.starts_with(&inside));
}

/// What a classifier of more than one layer is, where everything before it fits.
pub(crate) fn several(state: &State, dialect: Dialect, prefix: &str, misfits: &[Misfit]) -> Option<String> {
    let root = usual(dialect).0;
    let inside = format!("{prefix}{root}.");
    let of_head = |misfit: &Misfit| match misfit {
        Misfit::Missing(name, _) | Misfit::Shape(name, ..) | Misfit::Extra(name, _) => name.starts_with(&inside),
    };
    let found = tensors(state, root, prefix);
    if found.len() < 2 || !misfits.iter().all(of_head) {
        return None;
    }
    let layers: Vec<String> = found
        .iter()
        .filter(|(name, _)| name.ends_with(".weight"))
        .map(|(name, shape)| format!("{name} {shape:?}"))
        .collect();
    if layers.len() < 2 {
        return None;
    }
    Some(format!(
        "its classifier has {} layers with weights ({}); write the model as ONNX in Python, which eval, predict and compare take: \
         torch.onnx.export(model, torch.zeros(1, 3, 224, 224), \"model.onnx\", external_data=False)",
        layers.len(),
        layers.join(", ")
    ))
}
