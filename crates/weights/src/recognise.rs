//! Whose names a file uses, and which network its shapes are.

use std::collections::BTreeMap;

use mnasnet_choice::Choice;
use mnasnet_model::variant::ALIASES;
use mnasnet_model::{Dialect, Network, Op, OptimizerKind, Place, Role, VARIANTS, Variant};

use crate::fit::{self, Misfit, Named};
use crate::head;
use crate::{State, TensorData};

/// What a caller knows of the network; the rest is told by the shapes.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Variant.
    pub variant: Option<Variant>,
    /// Width multiplier.
    pub width: Option<f64>,
}

/// A file that fits a network, every tensor of it.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Whose names it uses.
    pub dialect: Dialect,
    /// The network.
    pub network: Network,
    /// What stands before the names, e.g. `state_dict_ema.module.`.
    pub prefix: String,
    /// Whether it has convolutions with biases in place of batch norms.
    pub folded: bool,
    /// Whether it ends before the classifier: a backbone alone. The classifier's weights are zero then.
    pub headless: bool,
    /// Optimizer state in it, by our names of the slots.
    pub slots: Vec<&'static str>,
    names: Vec<(String, Place)>,
}

/// What training scripts wrap weights in, and the tools that they use. `true` means a moving average, which is preferred.
const WRAPPERS: &[(&str, bool)] = &[
    ("state_dict_ema", true),
    ("model_ema", true),
    ("ema_state_dict", true),
    ("ema_model", true),
    ("ema", true),
    ("state_dict", false),
    ("model_state_dict", false),
    ("model_state", false),
    ("model", false),
    ("net", false),
    ("network", false),
    ("weights", false),
    ("module", false),
    ("_orig_mod", false),
    ("backbone", false),
    ("base_model", false),
    ("timm_model", false),
];

/// A file with more misfits than one in so many tensors holds another network altogether.
const OTHER: usize = 4;

/// Names of the slots of MindSpore's optimizers, which are ours.
fn slot_names() -> impl Iterator<Item = &'static str> {
    let all = OptimizerKind::ALL.iter().flat_map(|kind| kind.slots());
    all.map(|slot| slot.name)
}

/// Finds the network that all tensors of a file fit.
///
/// # Errors
/// The network that comes nearest (in words), and every tensor that does not fit; no network where nothing is known.
pub fn recognise(state: &State, wanted: Wanted) -> Result<Recognised, (String, String)> {
    let nothing = |problem: String| ("any MNASNet".to_owned(), problem);
    let (dialect, prefix) = find(state).ok_or_else(|| nothing(stranger(state)))?;
    let averages = [".running_mean", ".moving_mean"];
    let of_network = |name: &&String| name.starts_with(&prefix);
    let folded = !state
        .tensors
        .keys()
        .filter(of_network)
        .any(|name| averages.iter().any(|end| name.ends_with(end)));
    let mut best: Option<(Recognised, Vec<Named>, usize)> = None;
    for (variant, width) in candidates(&wanted) {
        let known = wanted.width.is_some();
        let Some(candidate) = candidate(state, dialect, &prefix, folded, variant, width, known) else {
            continue;
        };
        let tensors = candidate.wanted();
        let count = candidate.misfits(state, &tensors).len();
        if best.as_ref().is_none_or(|best| count < best.2) {
            best = Some((candidate, tensors, count));
        }
        if count == 0 {
            break;
        }
    }
    match best {
        Some((mut found, _, 0)) => {
            found.slots = slot_names().filter(|slot| found.has_slot(state, slot)).collect();
            Ok(found)
        }
        Some((found, tensors, count)) => {
            let misfits = found.misfits(state, &tensors);
            if let Some(problem) = without_statistics(state, &found) {
                return Err((fit::described(&found.network), problem));
            }
            if let Some(problem) = head::several(state, dialect, &prefix, &misfits) {
                return Err(("a network of one linear layer behind the pooling".into(), problem));
            }
            if wanted.variant.is_none() && wanted.width.is_none() && count * OTHER > tensors.len() {
                let first = fit::one(&misfits[0]);
                return Err(nothing(format!(
                    "it holds another network, as {count} tensors differ from the nearest, {}, the first: {first}; {ANOTHER}",
                    fit::described(&found.network)
                )));
            }
            let problems = fit::told(&misfits);
            Err((
                format!("{} in {}'s names", fit::described(&found.network), dialect.name()),
                problems,
            ))
        }
        None => Err(nothing(format!("{} has no such variant", dialect.name()))),
    }
}

/// What to do with another network.
const ANOTHER: &str =
    "only MNASNet is read as weights: export another network as ONNX in Python, which eval, predict and compare take";

/// What is said of tensors that have the first convolution of no dialect.
fn stranger(state: &State) -> String {
    const SAVE: &str = "save the model's weights in Python: torch.save(model.state_dict(), \"weights.pth\")";
    let named: Vec<&str> = state
        .tensors
        .keys()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    match named.as_slice() {
        [] if state.tensors.is_empty() => format!("it holds no weights by name; {SAVE}"),
        [] => format!("it holds a tensor without a name, and not a model's weights; {SAVE}"),
        names => format!(
            "it has no first convolution by the name of timm (conv_stem.weight), torchvision (layers.0.weight), MindSpore \
             (features.0.conv.weight) or mindcv (features.0.weight), but {} tensors such as {}; {ANOTHER}",
            names.len(),
            names[..names.len().min(3)].join(", ")
        ),
    }
}

/// What is said of a file that has batch norms, and not what these have measured: `parameters()` in place of a `state_dict`.
fn without_statistics(state: &State, found: &Recognised) -> Option<String> {
    if !found.folded {
        return None;
    }
    let Recognised {
        dialect,
        prefix,
        network,
        ..
    } = found;
    let whole = candidate(state, *dialect, prefix, false, &network.variant, network.width, true)?;
    let wanted = whole.wanted();
    let misfits = whole.misfits(state, &wanted);
    let is_statistic = |name: &str| {
        let buffers = whole
            .names
            .iter()
            .filter(|(_, place)| matches!(place, Place::Buffer(_)));
        name.strip_prefix(prefix.as_str())
            .is_some_and(|name| buffers.map(|(buffer, _)| buffer).any(|buffer| buffer == name))
    };
    let first = misfits.iter().find_map(|misfit| match misfit {
        Misfit::Missing(name, _) => Some(*name),
        _ => None,
    })?;
    let all = misfits
        .iter()
        .all(|misfit| matches!(misfit, Misfit::Missing(name, _) if is_statistic(name)));
    all.then(|| {
        format!(
            "the running means and variances of its {} batch norms are missing, such as {first}; save the whole `model.state_dict()`, \
             buffers too, and not `model.parameters()`",
            misfits.len() / 2
        )
    })
}

/// Dialect and prefix: a moving average before all else, then the shortest prefix.
fn find(state: &State) -> Option<(Dialect, String)> {
    let mut found = Vec::new();
    for dialect in Dialect::ALL {
        for name in state.tensors.keys() {
            let Some(prefix) = name.strip_suffix(first_name(dialect)) else {
                continue;
            };
            let wrapper = |part: &str| WRAPPERS.iter().find(|row| row.0 == part);
            let parts: Option<Vec<_>> = prefix.split_terminator('.').map(wrapper).collect();
            if (prefix.is_empty() || prefix.ends_with('.'))
                && let Some(parts) = parts
            {
                let average = parts.iter().any(|row| row.1);
                found.push((!average, prefix.len(), dialect, prefix.to_owned()));
            }
        }
    }
    let best = found
        .into_iter()
        .min_by_key(|(average, length, ..)| (*average, *length));
    best.map(|(.., dialect, prefix)| (dialect, prefix))
}

fn first_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Timm => "conv_stem.weight",
        Dialect::Torchvision => "layers.0.weight",
        Dialect::MindSpore => "features.0.conv.weight",
        Dialect::Mindcv => "features.0.weight",
    }
}

/// Variants and widths to try: 1 first, as several widths may come to the same channels, then those that are published, then multiples
/// of 0.05.
fn candidates(wanted: &Wanted) -> impl Iterator<Item = (&Variant, f64)> {
    let mut widths = vec![1.0];
    widths.extend(ALIASES.iter().map(|alias| alias.2));
    widths.extend((1..=160).map(|step| f64::from(step) / 20.0));
    if let Some(width) = wanted.width {
        widths = vec![width];
    }
    let variants: Vec<&Variant> = match &wanted.variant {
        Some(variant) => vec![variant],
        None => VARIANTS.iter().collect(),
    };
    widths
        .into_iter()
        .flat_map(move |width| variants.clone().into_iter().map(move |variant| (variant, width)))
}

/// A network of the file's dialect and number of classes. One whose first convolution has another number of channels is
/// tried at width 1 only, where it stands for its variant in a message, or where the width is `known`.
fn candidate(
    state: &State,
    dialect: Dialect,
    prefix: &str,
    folded: bool,
    variant: &Variant,
    width: f64,
    known: bool,
) -> Option<Recognised> {
    let stem = state
        .tensors
        .get(&format!("{prefix}{}", first_name(dialect)))?
        .shape()
        .first()
        .copied();
    if !known && width != 1.0 && stem != Some(variant.stem_channels(width)) {
        return None;
    }
    let head = head::Head::find(state, dialect, prefix);
    let classes = head.as_ref().map_or(1000, |head| head.classes);
    let mut network = Network::build(variant, width, classes, Some(0.0)).ok()?;
    if dialect == Dialect::Mindcv {
        network.bn_epsilon = dialect.bn_epsilon();
    }
    let mut names = network.names(dialect).ok()?;
    let headless = head.is_none() && head::is_absent(state, dialect, prefix);
    if let Some(head) = head {
        head.rename(dialect, &mut names);
    }
    if headless {
        head::leave_out(dialect, &mut names);
    }
    if folded {
        fold_names(&network, &mut names);
    }
    Some(Recognised {
        dialect,
        prefix: prefix.to_owned(),
        folded,
        headless,
        slots: Vec::new(),
        names,
        network,
    })
}

/// The names of a file without batch norm: each convolution has a weight, and a bias that is the shift.
fn fold_names(network: &Network, names: &mut Vec<(String, Place)>) {
    let name_of = |id: usize, names: &[(String, Place)]| {
        names
            .iter()
            .find(|(_, place)| *place == Place::Parameter(id))
            .map(|(name, _)| name.clone())
    };
    for node in &network.nodes {
        let Op::Conv(conv) = &node.op else { continue };
        let Some(weight) = name_of(conv.weight, names) else {
            continue;
        };
        let bias = format!("{}bias", weight.trim_end_matches("weight"));
        if let Some(own) = conv.bias {
            names.retain(|(_, place)| *place != Place::Parameter(own));
        }
        for (name, place) in names.iter_mut() {
            if *place == Place::Parameter(conv.beta) {
                name.clone_from(&bias);
            }
        }
        let gone = [
            Place::Parameter(conv.gamma),
            Place::Buffer(conv.mean),
            Place::Buffer(conv.variance),
        ];
        names.retain(|(_, place)| !gone.contains(place));
    }
}

impl Recognised {
    /// The file's name and shape of every tensor.
    fn wanted(&self) -> Vec<Named> {
        let wanted = |(name, place): &(String, Place)| {
            (
                format!("{}{name}", self.prefix),
                self.network.tensor(*place).shape.clone(),
            )
        };
        self.names.iter().map(wanted).collect()
    }

    fn misfits<'a>(&self, state: &'a State, wanted: &'a [Named]) -> Vec<Misfit<'a>> {
        fit::misfits(state, wanted, |name| match name.strip_prefix(&self.prefix) {
            Some(name) => passed_over(self.dialect, name) || self.prefix.is_empty() && wrapped(name),
            None => true,
        })
    }

    fn has_slot(&self, state: &State, slot: &str) -> bool {
        let of_slot = |(name, place): &(String, Place)| {
            matches!(place, Place::Buffer(_))
                || state
                    .tensors
                    .get(&format!("{slot}.{name}"))
                    .is_some_and(|tensor| tensor.shape() == self.network.tensor(*place).shape)
        };
        self.dialect == Dialect::MindSpore && self.prefix.is_empty() && !self.folded && self.names.iter().all(of_slot)
    }

    /// The file's tensors under our names, optimizer state as `opt.SLOT.NAME`. What folding took away is filled in: scale 1,
    /// mean 0, variance 1 less epsilon, bias 0.
    pub fn rename(&self, state: &State) -> BTreeMap<String, TensorData> {
        let mut ours = BTreeMap::new();
        let theirs = |name: &str| state.tensors.get(name).cloned();
        for (name, place) in &self.names {
            let tensor = &self.network.tensor(*place).name;
            ours.extend(theirs(&format!("{}{name}", self.prefix)).map(|data| (tensor.clone(), data)));
            if let Place::Parameter(_) = place {
                for slot in &self.slots {
                    ours.extend(theirs(&format!("{slot}.{name}")).map(|data| (format!("opt.{slot}.{tensor}"), data)));
                }
            }
        }
        for tensor in self.network.parameters.iter().chain(&self.network.buffers) {
            let fill = match tensor.role {
                Role::Gamma => 1.0,
                Role::Variance => 1.0 - self.network.bn_epsilon,
                _ => 0.0,
            };
            let data = || TensorData::of(&tensor.shape, &vec![fill; tensor.len()]);
            ours.entry(tensor.name.clone()).or_insert_with(data);
        }
        ours
    }
}

/// What stands beside weights and is none.
fn passed_over(dialect: Dialect, name: &str) -> bool {
    match dialect {
        Dialect::Timm | Dialect::Torchvision => name.ends_with(".num_batches_tracked") || name == "n_averaged",
        Dialect::MindSpore | Dialect::Mindcv => {
            [
                "updates",
                "global_step",
                "learning_rate",
                "momentum",
                "loss_scale",
                "weight_decay",
            ]
            .contains(&name)
                || name
                    .split_once('.')
                    .is_some_and(|(slot, _)| slot_names().any(|known| known == slot) || slot == "stat")
        }
    }
}

/// Whether a name lies in a wrapper of its own.
fn wrapped(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(first, _)| WRAPPERS.iter().any(|row| row.0 == first))
}
