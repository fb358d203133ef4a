//! Every setting of a training run: one table gives the struct, the TOML keys, the flags and their help.
//!
//! The defaults are for a folder of photos that nobody has tuned for: plain momentum, one cosine, crop and flip.
//! Keys that the MindSpore scripts' `config.py` has keep its names.

use std::ops::Bound;
use std::path::PathBuf;

use mnasnet_choice::Choice;
use mnasnet_data::{BadImages, CacheIn, Format, Interpolation, Policy};
use mnasnet_engine::{Precision, Smoothing};
use mnasnet_group::Wire;
use mnasnet_model::builder::MAX_WIDTH;
use mnasnet_model::{OptimizerKind, Scheme, VARIANTS, Variant};
use serde::{Serialize, Serializer};

pub use crate::channels::Channels;
pub use crate::choices::{DecayScope, LrScaling, Norm};
use crate::interval::Interval;
use crate::schedule::{DecayMode, Schedule};
use crate::setting::{Kind, Range, Setting};
pub use crate::share::Share;
pub use crate::target::Target;

/// One row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name in a file; as a flag with `--` before it.
    pub name: &'static str,
    /// Heading that it stands under.
    pub group: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The numbers among it, where not all of them are.
    pub range: Option<fn() -> Range>,
    /// What follows from another value.
    pub effect: Effect,
    /// What it turns on beyond plain training, by the name that records have for it.
    pub feature: Option<Feature>,
}

/// Something that a plain run leaves off.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name in `run.json`.
    pub name: &'static str,
    /// Whether a run has it.
    pub is_on: fn(&Config) -> bool,
}

impl Key {
    /// The key called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Names of the optimizers that read it, where others do not.
    pub fn optimizers(&self) -> Vec<&'static str> {
        let reads = |kind: &&OptimizerKind| kind.settings().contains(&self.name);
        let readers: Vec<_> = OptimizerKind::ALL
            .iter()
            .filter(reads)
            .map(|kind| kind.name())
            .collect();
        match readers.len() == OptimizerKind::ALL.len() {
            true => Vec::new(),
            false => readers,
        }
    }

    /// The value that a flag's text means though it is not written so, in other words than [`Kind::read`] takes.
    pub(crate) fn meant(&self, text: &str) -> Option<toml::Value> {
        let part = self.range.is_some_and(|range| range().is_of_parts());
        self.kind.meant(text, part)
    }
}

/// What follows from another value of a setting.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Other weights.
    Bits,
    /// The same weights, bit for bit, unless the run goes back to a checkpoint that another one would not have written.
    Nothing,
    /// Other weights where this holds, otherwise nothing.
    BitsWhere(fn(&Config) -> bool),
    /// Other weights where the optimizer reads it ([`OptimizerKind::settings`]), otherwise nothing.
    BitsWhereRead,
    /// Another run: no step of one can follow one of the other.
    AnotherRun,
}

/// Any number where a row names no range.
macro_rules! range {
    () => {
        None
    };
    ($range:expr) => {
        Some(|| Range::of($range))
    };
}

/// The effect of a row that names none is on the bits.
macro_rules! effect {
    () => {
        Effect::Bits
    };
    ($effect:expr) => {
        $effect
    };
}

/// No feature where a row names none.
macro_rules! feature {
    () => {
        None
    };
    ($name:literal, $is_on:expr) => {
        Some(Feature {
            name: $name,
            is_on: $is_on,
        })
    };
}

macro_rules! settings {
    ($($group:literal { $(
        $(#[doc = $help:literal])+
        $name:ident: $type:ty = $default:expr $(, $range:expr)? $(=> $effect:expr)?;
        $(on $feature:literal: $is_on:expr;)?
    )* })*) => {
        /// All settings, resolved and in range.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config { $($($(#[doc = $help])+ pub $name: $type,)*)* }

        /// The table, in order.
        pub const KEYS: &[Key] = &[$($(
            Key {
                name: stringify!($name),
                group: $group,
                help: concat!($($help),+),
                kind: <$type as Setting>::KIND,
                range: range!($($range)?),
                effect: effect!($($effect)?),
                feature: feature!($($feature, $is_on)?),
            },
        )*)*];

        impl Default for Config {
            fn default() -> Self {
                Self { $($($name: $default,)*)* }
            }
        }

        impl Config {
            /// Gives a key its value, whatever range the key has.
            fn put(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
                match key {
                    $($(stringify!($name) => self.$name = <$type>::from_toml(value)?,)*)*
                    _ => {}
                }
                Ok(())
            }

            /// The value of each of [`KEYS`], in the same order.
            pub fn values(&self) -> Vec<toml::Value> {
                vec![$($(self.$name.to_toml(),)*)*]
            }
        }
    };
}

settings! {
    "Network" {
        /// Variant, or a file of rows (FILE.toml).
        model: Variant = VARIANTS[0].clone();
        /// Width multiplier.
        width: f64 = 1.0, 0.05..=MAX_WIDTH;
        /// Number of classes; 0 takes as many as the data has, any other number must be the data's.
        class_num: usize = 0, 0.0..=1e6;
        /// Dropout before the classifier, a probability.
        dropout: f64 = 0.2, 0.0..1.0;
        /// Initialisation of fresh weights.
        init_scheme: Scheme = Scheme::default();
        /// Batch norm's momentum m: running = (1 - m) * running + m * batch.
        bn_momentum: f64 = 0.1, 0.0..=1.0;
        /// Batch norm's epsilon.
        bn_epsilon: f64 = 1e-5, 1e-12..=1.0;
        /// Steps from the run's start up to which batch norm's statistics are measured again at the end of an epoch (precise BN); 0 is never.
        precise_bn_steps: usize = 200, 0.0..=1e9;
    }
    "Data" {
        /// Photos: a folder with train/ and val/ (class folders, WebDataset shards, Parquet), ImageNet's archives, or a table.
        data: PathBuf = PathBuf::new();
        /// Validation photos where they are not in data/val.
        val_data: PathBuf = PathBuf::new();
        /// Folder of the photos that a table lists, where they are not in the table's own.
        image_dir: PathBuf = PathBuf::new();
        /// Part of each class that is set aside for validation, such as 20%; auto is 20% where the set has no validation photos.
        val_share: Share = Share::Auto;
        /// Parts that a set without validation photos is divided into, of which one is for validation; 0 takes val_share.
        folds: usize = 0, 0.0..=1000.0;
        /// Which of them, from 1.
        fold: usize = 1, 1.0..=1000.0 => Effect::BitsWhere(|config| config.folds > 0);
        /// Kind of the set; auto looks.
        data_format: Option<Format> = None;
        /// File of class names, one a line (NAME, or the set's name for it, a tab, NAME): order, relabelling, and leaving out the rest.
        class_list: PathBuf = PathBuf::new();
        /// What becomes of photos that cannot be decoded; 16 of them in a row end the run with each.
        bad_images: BadImages = BadImages::Fail;
        /// Whether photos are turned as their EXIF orientation says.
        exif_orientation: bool = false;
        /// Where photos are kept, decoded and resized to `resize`, after they were first read; training then crops from those.
        cache: Option<CacheIn> = None;
        on "cache": |config| config.cache.is_some();
        /// Room of the cache of each split, GiB; photos that find none are decoded each time.
        cache_gib: f64 = 8.0, (Bound::Excluded(0.0), Bound::Included(65536.0)) => Effect::Nothing;
        /// Side of the network's input, pixels.
        resolution: usize = 224, 16.0..=4096.0;
        /// Shorter side before the centre crop of evaluation, pixels; 0 means resolution / 0.875.
        resize: usize = 0, 0.0..=65536.0;
        /// How photos are resized.
        interpolation: Interpolation = Interpolation::Bilinear;
        /// Normalisation of pixels.
        normalise: Norm = Norm::Imagenet;
        /// Mean of pixels that is taken off, 0 to 1: one number, or R,G,B; auto is that of `normalise`.
        mean: Channels = Channels(None);
        /// Standard deviation of pixels that they are then divided by, likewise.
        std: Channels = Channels(None);
        /// Least part of a photo's area that the random crop of training takes; 1 takes all of what fits.
        crop_scale_min: f64 = 0.08, (Bound::Excluded(0.0), Bound::Included(1.0));
        /// Greatest part of it.
        crop_scale_max: f64 = 1.0, (Bound::Excluded(0.0), Bound::Included(1.0));
        /// Least ratio of the crop's width to its height.
        crop_ratio_min: f64 = 3.0 / 4.0, 0.01..=100.0;
        /// Greatest ratio of them.
        crop_ratio_max: f64 = 4.0 / 3.0, 0.01..=100.0;
        /// Probability that a training photo is mirrored left to right; 0 where that makes another class of it, as of arrows and letters.
        hflip: f64 = 0.5, 0.0..=1.0;
        /// Probability that it is mirrored top to bottom.
        vflip: f64 = 0.0, 0.0..=1.0;
        on "vertical_flip": |config| config.vflip > 0.0;
        /// Degrees that a training photo is turned by at most, to either side; 0 is off.
        rotation: f64 = 0.0, 0.0..=180.0;
        on "rotation": |config| config.rotation > 0.0;
        /// Augmentation after random crop and flips.
        policy: Policy = Policy::None;
        on "augmentation": |config| config.policy != Policy::None;
        /// Operations that randaugment applies to each photo.
        randaugment_ops: usize = 2, 1.0..=16.0 => Effect::BitsWhere(|config| config.policy == Policy::RandAugment);
        /// Their mean magnitude (randaugment).
        randaugment_magnitude: f64 = 9.0, 0.0..=10.0 => Effect::BitsWhere(|config| config.policy == Policy::RandAugment);
        /// Standard deviation of their magnitude (randaugment).
        randaugment_noise: f64 = 0.5, 0.0..=100.0 => Effect::BitsWhere(|config| config.policy == Policy::RandAugment);
        /// Brightness, contrast and saturation change by up to this factor; 0 is off.
        color_jitter: f64 = 0.0, 0.0..=1.0;
        on "color_jitter": |config| config.color_jitter > 0.0;
        /// Hue turns by up to this part of the circle; 0 is off.
        hue_jitter: f64 = 0.0, 0.0..=0.5;
        on "hue_jitter": |config| config.hue_jitter > 0.0;
        /// Probability that a rectangle of noise covers a part of the photo.
        random_erasing: f64 = 0.0, 0.0..=1.0;
        on "random_erasing": |config| config.random_erasing > 0.0;
        /// mixup: the share of one of two photos is drawn from Beta(x, x); 0 is off.
        mixup: f64 = 0.0, 0.0..=2.0;
        on "mixup": |config| config.mixup > 0.0;
        /// CutMix: the share of the area likewise; 0 is off. With mixup, a batch gets one or the other.
        cutmix: f64 = 0.0, 0.0..=2.0;
        on "cutmix": |config| config.cutmix > 0.0;
        /// Appearances of a photo in an epoch, each augmented anew; the epoch stays as long and shows fewer photos.
        repeated_augmentation: usize = 1, 1.0..=64.0;
        on "repeated_augmentation": |config| config.repeated_augmentation > 1;
        /// Resolution of the first epochs, which then grows in stages to the full one; 0 trains at the full one all the time.
        progressive_from: usize = 0, 0.0..=4096.0;
        on "progressive_resolution": |config| config.progressive_from > 0;
        /// Stages of the growing resolution, the full one included.
        progressive_stages: usize = 4, 2.0..=64.0 => Effect::BitsWhere(|config| config.progressive_from > 0);
        /// Images in a training step; of each rank, where several train.
        batch_size: usize = 64, 1.0..=65536.0;
        /// Whether images at the end of an epoch of training that do not fill a step are left out.
        drop_remainder: bool = true;
        /// Threads that decode and augment; 0 means as many as the machine has.
        workers: usize = 0, 0.0..=1024.0 => Effect::Nothing;
    }
    "Optimizer" {
        /// Update rule.
        opt: OptimizerKind = OptimizerKind::Sgd => Effect::AnotherRun;
        /// Momentum.
        momentum: f64 = 0.9, 0.0..1.0 => Effect::BitsWhereRead;
        /// Nesterov's look-ahead.
        nesterov: bool = true => Effect::BitsWhereRead;
        /// Decay of the mean square.
        opt_decay: f64 = 0.9, 0.0..1.0 => Effect::BitsWhereRead;
        /// Epsilon inside the root.
        opt_eps: f64 = 0.001, 1e-30..=1.0 => Effect::BitsWhereRead;
        /// AdamW's share of the mean of gradients that stays in a step; 0.9 is PyTorch's.
        adam_beta1: f64 = 0.9, 0.0..1.0 => Effect::BitsWhereRead;
        /// AdamW's share of the mean of their squares.
        adam_beta2: f64 = 0.999, 0.0..1.0 => Effect::BitsWhereRead;
        /// AdamW's epsilon, outside the root.
        adam_eps: f64 = 1e-8, 1e-30..=1.0 => Effect::BitsWhereRead;
        /// Lion's share of the momentum in the direction of a step.
        lion_beta1: f64 = 0.9, 0.0..1.0 => Effect::BitsWhereRead;
        /// Lion's share of the momentum that stays.
        lion_beta2: f64 = 0.99, 0.0..1.0 => Effect::BitsWhereRead;
        /// Factor on the learning rate of the classifier.
        head_lr: f64 = 1.0, 0.0..=1e3;
        on "head_lr": |config| config.head_lr != 1.0;
        /// Factor on the learning rate from each block to the one below it, towards the image (layer-wise rate decay, as timm's).
        layer_decay: f64 = 1.0, (Bound::Excluded(0.0), Bound::Included(1.0));
        on "layer_decay": |config| config.layer_decay != 1.0;
        /// Weight decay: off the weights, times the rate, with adamw and lion (decoupled); as L2 in the gradient with the others.
        weight_decay: f64 = 5e-5, 0.0..=1.0;
        /// Which tensors decay.
        weight_decay_scope: DecayScope = DecayScope::Weights => Effect::BitsWhere(|config| config.weight_decay > 0.0);
        /// Largest norm of all gradients as one vector, as PyTorch's clip_grad_norm_; larger ones are scaled down to it; 0 is off.
        clip_grad_norm: f64 = 0.0, 0.0..=1e6;
        on "clip_grad_norm": |config| config.clip_grad_norm > 0.0;
        /// Loss scale of the MindSpore scripts; a power of two changes nothing in float32 and is only recorded.
        loss_scale: f64 = 1024.0, 1.0..=16777216.0 => Effect::Nothing;
        /// Whether labels are smoothed in training.
        use_label_smooth: bool = true;
        on "label_smoothing": |config| config.use_label_smooth && config.label_smooth_factor > 0.0;
        /// Mass taken from the label.
        label_smooth_factor: f64 = 0.1, 0.0..1.0 => Effect::BitsWhere(|config| config.use_label_smooth || config.smooth_eval_loss);
        /// Where that mass goes.
        label_smooth_convention: Smoothing = Smoothing::Uniform => Effect::BitsWhere(|config| config.use_label_smooth || config.smooth_eval_loss);
        /// Whether evaluation's loss is smoothed too, as MindSpore's scripts report it.
        smooth_eval_loss: bool = false;
        /// Whether a moving average of the weights is kept and evaluated.
        ema: bool = false;
        on "ema": |config| config.ema;
        /// Decay of the moving average; it starts lower, at (1 + step) / (10 + step).
        ema_decay: f64 = 0.9999, 0.0..1.0 => Effect::BitsWhere(|config| config.ema);
    }
    "Schedule" {
        /// Epochs of the run.
        epoch_size: usize = 100, 1.0..=1e6;
        /// Epochs without a better validation after which the run ends early; 0 goes through all epochs.
        patience: usize = 0, 0.0..=1e6 => Effect::Nothing;
        /// Epochs of linear warm-up from lr_init to lr_max.
        warmup_epochs: f64 = 5.0, 0.0..=1e6;
        /// Shape of the decay after the warm-up.
        lr_decay_mode: DecayMode = DecayMode::Cosine;
        /// Learning rate at step 0.
        lr_init: f64 = 0.01, 0.0..=1e3;
        /// Learning rate after the warm-up.
        lr_max: f64 = 0.1, 0.0..=1e3;
        /// Learning rate at the end.
        lr_end: f64 = 0.0, 0.0..=1e3;
        /// Factor of one stair (exponential).
        lr_decay_rate: f64 = 0.97, 1e-6..=1.0 => Effect::BitsWhere(|config| config.lr_decay_mode == DecayMode::Exponential);
        /// Epochs of one stair (exponential).
        lr_decay_epochs: f64 = 2.4, 1e-3..=1e6 => Effect::BitsWhere(|config| config.lr_decay_mode == DecayMode::Exponential);
        /// Epochs of the first cycle (cosine-restarts).
        lr_cycle_epochs: f64 = 10.0, 1e-3..=1e6 => Effect::BitsWhere(|config| config.lr_decay_mode == DecayMode::CosineRestarts);
        /// How many times as long as the last each further cycle is (cosine-restarts).
        lr_cycle_growth: f64 = 1.0, 1.0..=100.0 => Effect::BitsWhere(|config| config.lr_decay_mode == DecayMode::CosineRestarts);
        /// Part of the run at its end in which the rate falls (wsd).
        lr_cooldown: f64 = 0.2, (Bound::Excluded(0.0), Bound::Included(1.0)) => Effect::BitsWhere(|config| config.lr_decay_mode == DecayMode::Wsd);
    }
    "Ranks" {
        /// Batch norm's statistics over the images of all ranks; else each rank has its own, and the running ones are averaged.
        sync_bn: bool = false;
        on "sync_bn": |config| config.sync_bn;
        /// What gradients travel as from rank to rank.
        wire: Wire = Wire::F32;
        /// Whether lr_init, lr_max and lr_end are multiplied by the number of ranks.
        lr_scaling: LrScaling = LrScaling::None;
        /// Seconds that a rank waits for another before the run ends (exit code 9).
        rank_timeout: f64 = 600.0, (Bound::Excluded(0.0), Bound::Included(1e6)) => Effect::Nothing;
    }
    "Run" {
        /// Seed of weights, sample order, augmentation and dropout.
        seed: u64 = 1 => Effect::AnotherRun;
        /// What computes; auto is a GPU where there is one, else the processor. A run may go on on another device, with other bits.
        device: Target = Target::Auto => Effect::BitsWhere(|config| config.device.is_gpu());
        /// What activations are stored as; auto is what is fastest on the device: on a processor bf16 where it has a matrix unit for it.
        precision: Option<Precision> = None;
        /// Whether outputs of expansions are computed again in the backward sweep rather than kept: less memory, slower, the same weights.
        recompute: bool = false => Effect::BitsWhere(|config| config.device.is_gpu());
        /// Threads of the network's arithmetic; 0 means as many as the machine has. Results do not depend on it.
        threads: usize = 0, 0.0..=1024.0 => Effect::Nothing;
        /// Whether checkpoints are written; the best and an interrupted run's are in any case.
        save_checkpoint: bool = true => Effect::Nothing;
        /// Epochs from one checkpoint to the next; the last epoch has one in any case.
        save_checkpoint_epochs: usize = 1, 1.0..=1e6 => Effect::Nothing;
        /// Newest checkpoints of whole epochs that are kept.
        keep_checkpoint_max: usize = 5, 1.0..=1e6 => Effect::Nothing;
        /// Checkpoints within an epoch too: the time (30s, 10m, 2h) or the steps (500steps) from one to the next, or never.
        checkpoint_every: Interval = Interval::Never => Effect::Nothing;
        /// Newest checkpoints from within an epoch that are kept.
        keep_step_checkpoint_max: usize = 2, 1.0..=1e6 => Effect::Nothing;
        /// Steps in a row whose loss or gradients are no numbers, each skipped, after which the run goes back to its last checkpoint.
        max_bad_steps: usize = 5, 1.0..=1e6;
        /// Times that it goes back before it gives up (exit code 5).
        max_rollbacks: usize = 3, 0.0..=1e6;
        /// Factor on the learning rate from there on.
        rollback_lr_factor: f64 = 0.5, (Bound::Excluded(0.0), Bound::Included(1.0));
        /// Standard deviations above the mean of the last 100 losses from which a loss is logged with its photos; 0 logs none.
        spike_z_score: f64 = 6.0, 0.0..=1e6 => Effect::Nothing;
        /// Folder of the checkpoints; a relative one lies in the run's folder.
        save_checkpoint_path: PathBuf = "checkpoints".into();
        /// Steps from one line of log.txt and metrics.jsonl to the next; 0 writes only one an epoch.
        log_every: usize = 1, 0.0..=1e9 => Effect::Nothing;
        /// Whether the run's numbers are written for TensorBoard too, into `tensorboard` in the run's folder.
        tensorboard: bool = false => Effect::Nothing;
        /// Write run.html, the page of the run, and rewrite it as the run goes.
        page: bool = true => Effect::Nothing;
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(KEYS.iter().map(|key| key.name).zip(self.values()))
    }
}

impl Config {
    /// Sets one key. `None` where there is no such key; the inner error completes "`key` ...".
    pub(crate) fn set(&mut self, key: &str, value: &toml::Value) -> Option<Result<(), String>> {
        let key = Key::by_name(key)?;
        let in_range = key.range.map_or(Ok(()), |range| range().check(value));
        Some(in_range.and_then(|()| self.put(key.name, value)))
    }

    /// As TOML, grouped under comments, in the table's order.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut group = "";
        for (key, value) in KEYS.iter().zip(self.values()) {
            if key.group != group {
                let gap = if group.is_empty() { "" } else { "\n" };
                group = key.group;
                text += &format!("{gap}# {group}\n");
            }
            text += &format!("{} = {value}\n", key.name);
        }
        text
    }

    /// The settings that differ in `other`: key, value here, value there.
    pub fn changes(&self, other: &Self) -> Vec<(&'static Key, toml::Value, toml::Value)> {
        let values = self.values().into_iter().zip(other.values());
        KEYS.iter()
            .zip(values)
            .filter(|(_, (here, there))| here != there)
            .map(|(key, (here, there))| (key, here, there))
            .collect()
    }

    /// Whether other weights follow from another value of `key` here and in `other`.
    pub fn changes_bits(&self, other: &Self, key: &Key) -> bool {
        match key.effect {
            Effect::Nothing => false,
            Effect::BitsWhere(holds) => holds(self) || holds(other),
            Effect::BitsWhereRead => [self, other]
                .iter()
                .any(|config| config.opt.settings().contains(&key.name)),
            Effect::Bits | Effect::AnotherRun => true,
        }
    }

    /// What the settings turn on beyond plain training.
    pub fn features(&self) -> Vec<&'static str> {
        let on = KEYS.iter().filter_map(|key| key.feature);
        on.filter(|feature| (feature.is_on)(self))
            .map(|feature| feature.name)
            .collect()
    }

    /// The learning-rate curve where an epoch has `steps_per_epoch` steps.
    pub fn schedule(&self, steps_per_epoch: usize) -> Schedule {
        Schedule {
            mode: self.lr_decay_mode,
            lr_init: self.lr_init,
            lr_max: self.lr_max,
            lr_end: self.lr_end,
            warmup_epochs: self.warmup_epochs,
            epochs: self.epoch_size,
            steps_per_epoch,
            decay_rate: self.lr_decay_rate,
            decay_epochs: self.lr_decay_epochs,
            cycle_epochs: self.lr_cycle_epochs,
            cycle_growth: self.lr_cycle_growth,
            cooldown: self.lr_cooldown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_optimizers_read_is_in_the_table() {
        for kind in OptimizerKind::ALL {
            for name in kind.settings() {
                let key = Key::by_name(name).unwrap_or_else(|| panic!("{name} of {}", kind.name()));
                assert!(matches!(key.effect, Effect::BitsWhereRead), "{name}");
            }
        }
        let read = |key: &Key| {
            OptimizerKind::ALL
                .iter()
                .any(|kind| kind.settings().contains(&key.name))
        };
        for key in KEYS.iter().filter(|key| matches!(key.effect, Effect::BitsWhereRead)) {
            assert!(read(key), "{}", key.name);
        }
        let opt_decay = Key::by_name("opt_decay").unwrap();
        assert_eq!(opt_decay.optimizers(), ["rmsprop"]);
        assert_eq!(Key::by_name("momentum").unwrap().optimizers(), ["rmsprop", "sgd"]);
        assert_eq!(Key::by_name("weight_decay").unwrap().optimizers(), [""; 0]);
        let sgd = Config::default();
        let rmsprop = Config {
            opt: OptimizerKind::RmsProp,
            ..Config::default()
        };
        assert!(!sgd.changes_bits(&sgd, opt_decay));
        assert!(sgd.changes_bits(&rmsprop, opt_decay));
    }

    #[test]
    fn every_name_of_a_choice_is_read_and_written_back() {
        let mut choices = 0;
        for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::Choice { .. })) {
            choices += 1;
            for named in key.kind.names() {
                let value = toml::Value::String(named.name.into());
                let mut config = Config::default();
                config.set(key.name, &value).unwrap().unwrap();
                let at = KEYS.iter().position(|row| row.name == key.name).unwrap();
                assert_eq!(config.values()[at], value, "{}", key.name);
                assert!(named.help.ends_with('.'), "{}: {}", named.name, named.help);
            }
        }
        assert!(choices > 10, "{choices}");
        // A file of weights records it by serde's name.
        for choice in Interpolation::ALL {
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.name());
        }
    }

    #[test]
    fn features_are_what_plain_training_leaves_off() {
        let plain = Config {
            use_label_smooth: false,
            ..Config::default()
        };
        assert_eq!(plain.features(), [""; 0]);
        let all = Config {
            cache: Some(CacheIn::Ram),
            vflip: 0.1,
            rotation: 10.0,
            policy: Policy::AutoAugment,
            color_jitter: 0.1,
            hue_jitter: 0.1,
            random_erasing: 0.1,
            mixup: 0.1,
            cutmix: 0.1,
            repeated_augmentation: 2,
            progressive_from: 32,
            head_lr: 10.0,
            layer_decay: 0.9,
            clip_grad_norm: 1.0,
            ema: true,
            sync_bn: true,
            ..Config::default()
        };
        let names: Vec<_> = KEYS
            .iter()
            .filter_map(|key| key.feature)
            .map(|feature| feature.name)
            .collect();
        assert_eq!(all.features(), names);
        assert_eq!(names.len(), 17);
    }
}
