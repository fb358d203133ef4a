//! From settings to the types of the other crates.

use mnasnet_data::{Batches, ColorJitter, Mixing, Preprocessing, RandAugment, TrainTransform};
use mnasnet_engine::{Device, Loss, Optimizer, Precision, Rule};
use mnasnet_group::Group;
use mnasnet_model::{ModelError, Network, OptimizerKind, Role, Tensor};

use crate::config::{Channels, Config, DecayScope, LrScaling, Norm};
use crate::schedule::Schedule;

/// What activations are stored as on this device.
pub fn precision(asked: Option<Precision>, device: &dyn Device) -> Precision {
    asked.unwrap_or_else(|| device.precision())
}

/// The network of a configuration for `classes` classes.
pub fn network(config: &Config, classes: usize) -> Result<Network, ModelError> {
    let mut network = Network::build(&config.model, config.width, classes, Some(config.dropout as f32))?;
    network.bn_epsilon = config.bn_epsilon as f32;
    network.bn_momentum = config.bn_momentum as f32;
    Ok(network)
}

/// The loss of training.
pub fn train_loss(config: &Config) -> Loss {
    loss(config, config.use_label_smooth)
}

/// The loss that evaluation reports. MindSpore's smooths it by the factor alone, whatever `use_label_smooth` says.
pub fn eval_loss(config: &Config) -> Loss {
    loss(config, config.smooth_eval_loss)
}

fn loss(config: &Config, smoothed: bool) -> Loss {
    Loss {
        smoothing: if smoothed {
            config.label_smooth_factor as f32
        } else {
            0.0
        },
        convention: config.label_smooth_convention,
    }
}

/// The update rule.
pub fn rule(config: &Config) -> Rule {
    let momentum = config.momentum as f32;
    match config.opt {
        OptimizerKind::RmsProp => Rule::RmsProp {
            decay: config.opt_decay as f32,
            momentum,
            epsilon: config.opt_eps as f32,
        },
        OptimizerKind::Sgd => Rule::Sgd {
            momentum,
            nesterov: config.nesterov,
        },
        OptimizerKind::AdamW => Rule::AdamW {
            beta1: config.adam_beta1 as f32,
            beta2: config.adam_beta2 as f32,
            epsilon: config.adam_eps as f32,
        },
        OptimizerKind::Lion => Rule::Lion {
            beta1: config.lion_beta1 as f32,
            beta2: config.lion_beta2 as f32,
        },
    }
}

/// Whether weight decay applies to a tensor.
pub fn decays(scope: DecayScope, tensor: &Tensor) -> bool {
    match scope {
        DecayScope::Weights => tensor.role == Role::Weight,
        DecayScope::Mindspore => !matches!(tensor.role, Role::Gamma | Role::Beta),
        DecayScope::All => true,
    }
}

/// What lies between a photo and the network.
pub fn preprocessing(config: &Config) -> Preprocessing {
    let mut preprocessing = match config.normalise {
        Norm::Imagenet => Preprocessing::imagenet(config.resolution),
        Norm::Mindspore => Preprocessing::mindspore(config.resolution),
    };
    normalised_by(&mut preprocessing, config.mean, config.std);
    preprocessing.interpolation = config.interpolation;
    preprocessing.exif_orientation = config.exif_orientation;
    preprocessing.resize = match config.resize {
        0 => (config.resolution as f64 / 0.875).round() as usize,
        resize => resize,
    };
    preprocessing
}

/// Takes the mean and the deviation that are given.
pub fn normalised_by(preprocessing: &mut Preprocessing, mean: Channels, std: Channels) {
    preprocessing.mean = mean.0.unwrap_or(preprocessing.mean);
    preprocessing.std = std.0.unwrap_or(preprocessing.std);
}

/// Side of the training images in an epoch: grows in equal stages, by multiples of 16 pixels, to the full one.
pub fn train_resolution(config: &Config, epoch: usize) -> usize {
    let (from, to, stages) = (config.progressive_from, config.resolution, config.progressive_stages);
    let stage = (epoch * stages / config.epoch_size.max(1)).min(stages - 1);
    if from == 0 || stage == stages - 1 {
        return to;
    }
    let exact = from + (to - from) * stage / (stages - 1);
    (exact / 16 * 16).max(from)
}

/// What becomes of photos in an epoch of training.
pub fn train_transform(config: &Config, epoch: usize) -> TrainTransform {
    TrainTransform {
        area: (config.crop_scale_min, config.crop_scale_max),
        aspect: (config.crop_ratio_min, config.crop_ratio_max),
        flip: config.hflip,
        flip_vertical: config.vflip,
        rotation: config.rotation,
        interpolation: config.interpolation,
        policy: config.policy,
        randaugment: RandAugment {
            ops: config.randaugment_ops,
            magnitude: config.randaugment_magnitude,
            noise: config.randaugment_noise,
        },
        jitter: ColorJitter {
            strength: config.color_jitter,
            hue: config.hue_jitter,
        },
        erasing: config.random_erasing,
        repeats: config.repeated_augmentation,
        mixing: Mixing {
            mixup: config.mixup,
            cutmix: config.cutmix,
        },
        ..TrainTransform::new(train_resolution(config, epoch))
    }
}

/// Images of a step of each of `ranks` ranks: as set, or fewer where the set of so many `images` does not fill a step. Then the
/// largest power of two that makes at least four steps of an epoch, but at least 4.
pub fn batch_size(config: &Config, images: usize, ranks: usize) -> usize {
    let most = images / ranks;
    if config.batch_size <= most {
        return config.batch_size;
    }
    let quarter = (most / 4).max(4);
    (1 << quarter.ilog2()).min(most).max(1)
}

/// How an epoch of so many images is cut into steps, and these over the ranks of `group`.
pub fn batches(config: &Config, images: usize, group: &Group) -> Batches {
    Batches {
        images: batch_size(config, images, group.size()) * group.size(),
        rank: group.rank(),
        ranks: group.size(),
        drop_remainder: config.drop_remainder,
    }
}

/// The learning-rate curve where an epoch has `steps` steps of so many ranks, each of `batch` images. Where the set does not fill a
/// step, the rate shrinks as the step does.
pub fn schedule(config: &Config, steps: usize, batch: usize, ranks: usize) -> Schedule {
    let scaling = match config.lr_scaling {
        LrScaling::None => 1.0,
        LrScaling::Linear => ranks as f64,
    };
    config
        .schedule(steps)
        .scaled(scaling * batch as f64 / config.batch_size as f64)
}

/// The update rule with weight decay and rate of each parameter.
pub fn optimizer(config: &Config, network: &Network) -> Optimizer {
    let decays = |tensor: &Tensor| decays(config.weight_decay_scope, tensor);
    let rate = rates(config, network);
    Optimizer::new(rule(config), network, config.weight_decay as f32, decays).paced(network, rate)
}

/// Factors on the learning rate. timm's layers: the stem, each block, of which the last has the convolution behind it, and the
/// classifier. The classifier's factor is `head_lr`. Each layer below has `layer_decay` times the factor of the next.
fn rates(config: &Config, network: &Network) -> impl Fn(&Tensor) -> f32 {
    let mut layers: Vec<String> = network
        .parameters
        .iter()
        .filter_map(|tensor| layer(&tensor.name))
        .collect();
    layers.dedup();
    let (decay, head) = (config.layer_decay, config.head_lr);
    move |tensor| match layer(&tensor.name) {
        Some(layer) if layer == CLASSIFIER => head as f32,
        layer => {
            let last = layers.len().saturating_sub(2);
            let at = layer.and_then(|layer| layers.iter().position(|other| *other == layer));
            decay.powi((last - at.unwrap_or(last) + 1) as i32) as f32
        }
    }
}

/// The layer that has the factor `head_lr`.
const CLASSIFIER: &str = "classifier";

/// The layer that a parameter belongs to; none is the last but the classifier.
fn layer(name: &str) -> Option<String> {
    let mut parts = name.split('.');
    match parts.next()? {
        "conv_stem" | "bn1" => Some("stem".into()),
        "blocks" => Some(parts.take(2).collect::<Vec<_>>().join(".")),
        CLASSIFIER => Some(CLASSIFIER.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mnasnet_model::Variant;

    use super::*;

    /// timm 1.0.31's `param_groups_layer_decay(mnasnet_100, layer_decay=0.5)`.
    #[test]
    fn layers_decay_as_timms() {
        let network = Network::build(Variant::by_name("mnasnet-b1").unwrap(), 1.0, 1000, None).unwrap();
        let config = Config {
            layer_decay: 0.5,
            head_lr: 3.0,
            ..Config::default()
        };
        let optimizer = optimizer(&config, &network);
        let rate = |name: &str| {
            let at = network.parameters.iter().position(|tensor| tensor.name == name);
            optimizer.spans[at.unwrap()].rate
        };
        for (name, expected) in [
            ("conv_stem.weight", 2_f32.powi(-18)),
            ("bn1.bias", 2_f32.powi(-18)),
            ("blocks.0.0.bn1.weight", 2_f32.powi(-17)),
            ("blocks.1.0.conv_pw.weight", 2_f32.powi(-16)),
            ("blocks.5.3.conv_dw.weight", 0.25),
            ("blocks.6.0.conv_pw.weight", 0.5),
            ("conv_head.weight", 0.5),
            ("bn2.weight", 0.5),
            ("classifier.bias", 3.0),
        ] {
            assert_eq!(rate(name), expected, "{name}");
        }
    }

    #[test]
    fn decay_scopes() {
        let config = Config {
            model: Variant::by_name("mnasnet-mindspore").unwrap().clone(),
            ..Config::default()
        };
        let network = network(&config, 10).unwrap();
        let count = |scope| network.parameters.iter().filter(|tensor| decays(scope, tensor)).count();
        // 52 convolutions and a dense layer with weights; one convolution and the dense layer have biases; 52 batch norms.
        let counts = [DecayScope::Weights, DecayScope::Mindspore, DecayScope::All].map(count);
        assert_eq!(counts, [53, 55, 159]);
    }

    #[test]
    fn a_set_smaller_than_a_batch_has_a_batch_that_fits() {
        let config = Config {
            batch_size: 64,
            ..Config::default()
        };
        let chosen = |images, ranks| batch_size(&config, images, ranks);
        assert_eq!([64, 65, 1000].map(|images| chosen(images, 1)), [64; 3]);
        assert_eq!(
            [63, 40, 24, 8, 5, 4, 3, 1].map(|images| chosen(images, 1)),
            [8, 8, 4, 4, 4, 4, 3, 1]
        );
        assert_eq!([128, 127, 9, 4].map(|images| chosen(images, 4)), [8, 4, 2, 1]);
        let rates = [64, 16].map(|batch| schedule(&config, 10, batch, 1).lr_max);
        assert_eq!(rates, [0.1, 0.025]);
    }

    #[test]
    fn resolution_grows_in_stages() {
        let mut config = Config {
            epoch_size: 10,
            progressive_from: 128,
            ..Config::default()
        };
        let sides = |config: &Config| (0..10).map(|epoch| train_resolution(config, epoch)).collect::<Vec<_>>();
        assert_eq!(sides(&config), [128, 128, 128, 160, 160, 192, 192, 192, 224, 224]);
        config.progressive_stages = 2;
        assert_eq!(sides(&config), [128, 128, 128, 128, 128, 224, 224, 224, 224, 224]);
        config.progressive_from = 0;
        assert_eq!(sides(&config), [224; 10]);
    }

    #[test]
    fn preprocessing_presets() {
        let config = Config {
            resolution: 128,
            std: Channels(Some([0.2; 3])),
            ..Config::default()
        };
        let preprocessing = preprocessing(&config);
        assert_eq!((preprocessing.resolution, preprocessing.resize), (128, 146));
        assert_eq!(
            (preprocessing.mean, preprocessing.std),
            ([0.485, 0.456, 0.406], [0.2; 3])
        );
    }

    #[test]
    fn augmentation_without_settings_is_the_usual_one() {
        assert_eq!(train_transform(&Config::default(), 0), TrainTransform::new(224));
    }
}
