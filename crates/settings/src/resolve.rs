//! From layers of settings to one [`Config`]: defaults, then a recipe or file, then flags.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use mnasnet_model::Variant;

use crate::config::{Config, KEYS, Key, Share};
use crate::network_file;
use crate::schedule::DecayMode;
use crate::setting::{advice, hint};

/// Largest file of settings: hundreds of times what all settings take.
const MAX_BYTES: u64 = 1 << 20;

/// What a file of settings is.
const FORM: &str = "settings are TOML, a line each such as `batch_size = 32`";

/// Where a run's folder has its settings.
const RUN_SETTINGS: &str = "config.toml";

/// What is wrong with a setting, and where it stands.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Neither a file nor a recipe.
    #[error("there is no recipe and no file `{name}`{hint}; recipes: {}", recipe_names())]
    UnknownRecipe {
        /// What was asked for.
        name: String,
        /// The nearest recipe.
        hint: String,
    },
    /// Not TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// The parser's words.
        message: String,
    },
    /// No such key.
    #[error("{origin}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// File or command line.
        origin: String,
        /// The key.
        key: String,
        /// The nearest key.
        hint: String,
    },
    /// A value that a key cannot have.
    #[error("{origin}: `{key}` {message}")]
    Value {
        /// File or command line.
        origin: String,
        /// The key.
        key: String,
        /// What is wrong, completing "`key` ...".
        message: String,
    },
    /// The warm-up is longer than the run.
    #[error("{origin}: `warmup_epochs` is {warmup}, longer than the run of {epochs} epochs")]
    Warmup {
        /// File or command line.
        origin: String,
        /// The setting.
        warmup: f64,
        /// Epochs of the run.
        epochs: usize,
    },
}

impl ConfigError {
    /// A flag that the setting `key` cannot have; `message` completes the sentence "`key` ...".
    pub fn by_flag(key: &str, message: String) -> Self {
        value_error(key, COMMAND_LINE, message)
    }

    /// The sentence without where it stands, if that is the command line.
    pub fn of_flag(&self) -> Option<String> {
        let text = self.to_string();
        Some(text.strip_prefix(COMMAND_LINE)?.strip_prefix(": ")?.to_owned())
    }
}

/// The recipes that the program carries: name and text.
pub const RECIPES: &[(&str, &str)] = &[
    ("sample", include_str!("../../../recipes/sample.toml")),
    ("finetune", include_str!("../../../recipes/finetune.toml")),
    ("imagenet", include_str!("../../../recipes/imagenet.toml")),
    ("mindspore", include_str!("../../../recipes/mindspore.toml")),
    ("parity", include_str!("../../../recipes/parity.toml")),
];

fn recipe_names() -> String {
    RECIPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Before the name of a recipe, in messages.
const RECIPE: &str = "recipe ";

/// Longest part of a run that is warm-up where nobody asked for more.
const LONGEST_WARMUP: f64 = 0.2;

/// Where flags come from, in messages.
const COMMAND_LINE: &str = "command line";

/// Collects layers of settings; later ones win.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    config: Config,
    origins: BTreeMap<String, String>,
    /// The network of a file, and which layer named it, where that is the model.
    network: Option<(Variant, String)>,
}

impl Resolver {
    /// Only the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a recipe by its bare name, or a file by its path.
    pub fn recipe_or_file(self, name: impl AsRef<OsStr>) -> Result<Self, ConfigError> {
        let path = Path::new(&name);
        let name = &path.display().to_string();
        if let Some((recipe, text)) = RECIPES.iter().find(|(recipe, _)| path.as_os_str() == *recipe) {
            return self.toml(text, &format!("{RECIPE}{recipe}"));
        }
        if !path.exists() && path.components().count() == 1 && path.extension().is_none() {
            let hint = hint(name, RECIPES.iter().map(|(recipe, _)| *recipe));
            return Err(ConfigError::UnknownRecipe {
                name: name.to_owned(),
                hint,
            });
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        match read {
            Ok(read) if read as u64 > MAX_BYTES => Err(ConfigError::Syntax {
                origin: name.to_owned(),
                message: format!("it has more than {} KiB, which no settings have", MAX_BYTES >> 10),
            }),
            Ok(_) => self.table(&text, name, Some(path.parent().unwrap_or(Path::new("")))),
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source: unread(path, source),
            }),
        }
    }

    /// Adds the keys of a TOML text; `origin` names it in messages.
    pub fn toml(self, text: &str, origin: &str) -> Result<Self, ConfigError> {
        self.table(text, origin, None)
    }

    /// Adds the keys of a text that may name a network's file in `folder`, if there is one.
    fn table(mut self, text: &str, origin: &str, folder: Option<&Path>) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            origin: match error.span() {
                Some(span) => format!("{origin}, line {}", text[..span.start].matches('\n').count() + 1),
                None => origin.to_owned(),
            },
            message: match folder {
                Some(_) => format!("{}; {FORM}", error.message()),
                None => error.message().to_owned(),
            },
        })?;
        for (key, value) in table {
            self.set(&key, value, origin, folder)?;
        }
        Ok(self)
    }

    /// Adds one flag. `lr` stands for `lr_max`, with `lr_init` in the proportion that the two had.
    pub fn flag(&mut self, key: &str, text: impl AsRef<OsStr>) -> Result<(), ConfigError> {
        if key == "lr" {
            let Config { lr_init, lr_max, .. } = self.config;
            self.flag("lr_max", text).map_err(|error| match error {
                ConfigError::Value { origin, message, .. } => ConfigError::Value {
                    origin,
                    key: key.to_owned(),
                    message,
                },
                error => error,
            })?;
            let init = match lr_max > 0.0 {
                true => self.config.lr_max * lr_init / lr_max,
                false => self.config.lr_max,
            };
            return self.set("lr_init", short(init).into(), COMMAND_LINE, None);
        }
        let Some(row) = Key::by_name(key) else {
            return Err(unknown_key(key, COMMAND_LINE));
        };
        let text = text.as_ref();
        let value = row.kind.read(text).map_err(|message| {
            let advice = self.advice(row, &text.to_string_lossy());
            ConfigError::by_flag(key, message + &advice)
        })?;
        self.set(key, value, COMMAND_LINE, Some(Path::new("")))
    }

    /// What to say in place of a text that is no number: the number that is meant, if the settings can have it, or those that can be.
    fn advice(&self, row: &Key, text: &str) -> String {
        let fits = |value: &toml::Value| {
            let mut trial = self.clone();
            let taken = trial.set(row.name, value.clone(), COMMAND_LINE, None);
            taken.and_then(|()| trial.finish()).is_ok()
        };
        advice(row.kind, row.meant(text).filter(fits), row.range.map(|range| range()))
    }

    /// Gives a setting a value that the program has chosen, unless it is somebody's wish.
    pub fn choose(&mut self, key: &str, value: impl Into<toml::Value>) -> Result<(), ConfigError> {
        match self.is_open(key) {
            true => self.set(key, value.into(), RECIPE, None),
            false => Ok(()),
        }
    }

    /// Whether a setting has no value but a default's or a recipe's.
    fn is_open(&self, key: &str) -> bool {
        let origin = self.origins.get(key);
        origin.is_none_or(|origin| origin.starts_with(RECIPE))
    }

    /// Sets a key. A network's rows take the place of the file in `folder` that holds them. The user's own words alone name files:
    /// settings in a file of weights are a stranger's.
    fn set(
        &mut self,
        key: &str,
        mut value: toml::Value,
        origin: &str,
        folder: Option<&Path>,
    ) -> Result<(), ConfigError> {
        if key == "model" {
            self.network = None;
            if let (Some(folder), Some(text)) = (folder, value.as_str().filter(|text| network_file::is_path(text))) {
                let variant = network_file::read(&folder.join(text))
                    .map_err(|error| value_error(key, origin, format!("cannot be used: {error}")))?;
                value = variant.to_text().into();
                self.network = Some((variant, origin.to_owned()));
            }
        }
        match self.config.set(key, &value) {
            None => Err(unknown_key(key, origin)),
            Some(Err(message)) => Err(value_error(key, origin, message)),
            Some(Ok(())) => {
                self.origins.insert(key.to_owned(), origin.to_owned());
                Ok(())
            }
        }
    }

    /// What a file of a network says holds where no layer says otherwise. A published network is the same by its name.
    fn take_from_network(&mut self) -> Result<(), ConfigError> {
        let Some((variant, origin)) = self.network.take().filter(|(variant, _)| !variant.is_known()) else {
            return Ok(());
        };
        for (key, value) in [
            ("dropout", variant.dropout),
            ("bn_epsilon", variant.bn_epsilon),
            ("bn_momentum", variant.bn_momentum),
        ] {
            if !self.origins.contains_key(key) {
                self.set(key, network_file::decimal(value).into(), &origin, None)?;
            }
        }
        Ok(())
    }

    /// Gives the settings that nobody asked for, or that a recipe has for another optimizer, the optimizer's usual values.
    fn take_from_optimizer(&mut self) -> Result<(), ConfigError> {
        let is_recipes = |key: &str| self.origins.get(key).is_some_and(|origin| origin.starts_with(RECIPE));
        let origin = self.origins.get("opt").cloned().unwrap_or_default();
        let is_asked = !is_recipes("opt");
        let is_free = |key: &str| !self.origins.contains_key(key) || is_asked && is_recipes(key);
        let defaults = self.config.opt.defaults().iter().copied();
        for (key, value) in defaults.filter(|(key, _)| is_free(key)).collect::<Vec<_>>() {
            self.set(key, value.into(), &origin, None)?;
        }
        Ok(())
    }

    /// Whether the length of the warm-up is nobody's wish but a default's or a recipe's, and follows the length of the run.
    pub fn warmup_follows(&self) -> bool {
        self.is_open("warmup_epochs")
    }

    /// Shortens a warm-up that was meant for a longer run: at most a fifth of the run. MindSpore's curves stay as they are where they
    /// can.
    fn fit_warmup(&mut self) {
        let Config {
            warmup_epochs,
            epoch_size,
            lr_decay_mode,
            ..
        } = self.config;
        let epochs = epoch_size as f64;
        let meant_for_another = self.origins.contains_key("epoch_size")
            && self.origins.get("epoch_size") != self.origins.get("warmup_epochs");
        let is_long = match self.warmup_follows() && !lr_decay_mode.is_mindspores() {
            true => warmup_epochs > epochs * LONGEST_WARMUP,
            false => warmup_epochs > epochs && self.origins.get("warmup_epochs").is_none_or(|by| by != COMMAND_LINE),
        };
        if meant_for_another && is_long {
            self.config.warmup_epochs = epochs * LONGEST_WARMUP;
        }
    }

    /// The configuration, if its settings go together.
    pub fn finish(mut self) -> Result<Config, ConfigError> {
        self.take_from_network()?;
        self.take_from_optimizer()?;
        self.fit_warmup();
        let config = &self.config;
        let origin = |key: &str| self.origins.get(key).map_or("defaults", String::as_str).to_owned();
        let refuse = |key: &str, message: String| Err(value_error(key, &origin(key), message));
        if config.warmup_epochs > config.epoch_size as f64 {
            return Err(ConfigError::Warmup {
                origin: origin("warmup_epochs"),
                warmup: config.warmup_epochs,
                epochs: config.epoch_size,
            });
        }
        if config.lr_decay_mode == DecayMode::MindsporeLinear && config.epoch_size <= 5 {
            return refuse(
                "epoch_size",
                format!("must be above 5 for `mindspore-linear`, not {}", config.epoch_size),
            );
        }
        if config.folds == 1 || config.folds > 0 && config.fold > config.folds {
            return refuse(
                "folds",
                format!(
                    "is {}, which has no fold {}: take at least 2, and one of them",
                    config.folds, config.fold
                ),
            );
        }
        let asked = |key: &str| self.origins.get(key).is_some_and(|by| by == COMMAND_LINE);
        let alone = self.origins.contains_key("fold") && !self.origins.contains_key("folds");
        if config.folds == 0 && (asked("fold") && !asked("folds") || alone) {
            return refuse(
                "fold",
                "is one of the parts that `folds` makes, and there are none: say how many, at least 2".to_owned(),
            );
        }
        if config.folds > 0 && config.val_share != Share::Auto {
            return refuse(
                "val_share",
                "does not go with `folds`, which say how large a part is".to_owned(),
            );
        }
        if config.resize != 0 && config.resize < config.resolution {
            return refuse(
                "resize",
                format!("is {}, less than the crop of {}", config.resize, config.resolution),
            );
        }
        for (low, high, least, greatest) in [
            (
                "crop_scale_min",
                "crop_scale_max",
                config.crop_scale_min,
                config.crop_scale_max,
            ),
            (
                "crop_ratio_min",
                "crop_ratio_max",
                config.crop_ratio_min,
                config.crop_ratio_max,
            ),
        ] {
            if least > greatest {
                return refuse(low, format!("is {least}, more than `{high}`, {greatest}"));
            }
        }
        if config.std.0.is_some_and(|std| std.contains(&0.0)) {
            return refuse("std", "cannot be 0, which pixels would be divided by".into());
        }
        if config.progressive_from != 0 && !(16..=config.resolution).contains(&config.progressive_from) {
            return refuse(
                "progressive_from",
                format!(
                    "is {}, but must lie between 16 and the resolution of {}",
                    config.progressive_from, config.resolution
                ),
            );
        }
        // Below it nearly every share is 0 or 1 anyway, and the sampler needs ever more draws.
        const LEAST_MIXING: f64 = 0.01;
        for (key, value) in [("mixup", config.mixup), ("cutmix", config.cutmix)] {
            if value > 0.0 && value < LEAST_MIXING {
                return refuse(key, format!("must be 0 or at least {LEAST_MIXING}, not {value}"));
            }
        }
        if config.loss_scale.log2().fract() != 0.0 {
            return refuse(
                "loss_scale",
                format!("must be a power of two, not {}", config.loss_scale),
            );
        }
        Ok(self.config)
    }
}

/// Why a file of settings cannot be read, in our words where the system's or the library's are about something else.
fn unread(path: &Path, source: Error) -> Error {
    if path.is_dir() {
        let inside = path.join(RUN_SETTINGS);
        return Error::other(match inside.is_file() {
            true => format!("it is a folder; its settings are in {}", inside.display()),
            false => format!("it is a folder; {FORM}"),
        });
    }
    match source.kind() {
        ErrorKind::InvalidData => Error::other(format!("it is no text; {FORM}")),
        _ => source,
    }
}

/// A number in the digits that a person would write.
fn short(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

fn unknown_key(key: &str, origin: &str) -> ConfigError {
    let hint = hint(key, KEYS.iter().map(|row| row.name));
    ConfigError::UnknownKey {
        origin: origin.to_owned(),
        key: key.to_owned(),
        hint,
    }
}

fn value_error(key: &str, origin: &str, message: String) -> ConfigError {
    ConfigError::Value {
        origin: origin.to_owned(),
        key: key.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, expected: &str) {
        let error = Resolver::new()
            .toml(text, "run.toml")
            .and_then(Resolver::finish)
            .unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn refusals_name_file_key_and_the_nearest_name() {
        check_refused(
            "batchsize = 3",
            "run.toml: unknown key `batchsize` (did you mean `batch_size`?)",
        );
        check_refused(
            "batch_size = 0",
            "run.toml: `batch_size` must be at least 1 and at most 65536, not 0",
        );
        check_refused(
            "batch_size = \"3\"",
            "run.toml: `batch_size` takes a whole number, not the string \"3\"",
        );
        check_refused(
            "momentum = 1",
            "run.toml: `momentum` must be at least 0 and below 1, not 1",
        );
        check_refused(
            "lr_max = nan",
            "run.toml: `lr_max` takes a finite number, not the float nan",
        );
        check_refused(
            "width = 9",
            "run.toml: `width` must be at least 0.05 and at most 8, not 9",
        );
        check_refused(
            "epoch_size = -1",
            "run.toml: `epoch_size` must be at least 1 and at most 1000000, not -1",
        );
        check_refused("seed = -1", "run.toml: `seed` must be at least 0, not -1");
        check_refused(
            "fold = 2",
            "run.toml: `fold` is one of the parts that `folds` makes, and there are none: say how many, at least 2",
        );
        check_refused(
            "opt = \"adam\"",
            "run.toml: `opt` cannot be `adam` (did you mean `adamw`?); it is one of rmsprop, sgd, adamw, lion",
        );
        check_refused(
            "weight_decay_scope = \"weight\"",
            "run.toml: `weight_decay_scope` cannot be `weight` (did you mean `weights`?); it is one of weights, mindspore, all",
        );
        check_refused(
            "warmup_epochs = 9\nepoch_size = 3",
            "run.toml: `warmup_epochs` is 9, longer than the run of 3 epochs",
        );
        check_refused("resize = 200", "run.toml: `resize` is 200, less than the crop of 224");
        check_refused(
            "progressive_from = 256",
            "run.toml: `progressive_from` is 256, but must lie between 16 and the resolution of 224",
        );
        check_refused(
            "crop_scale_min = 0.5\ncrop_scale_max = 0.4",
            "run.toml: `crop_scale_min` is 0.5, more than `crop_scale_max`, 0.4",
        );
        check_refused(
            "std = [0.5, 0, 0.5]",
            "run.toml: `std` cannot be 0, which pixels would be divided by",
        );
        check_refused("loss_scale = 3", "run.toml: `loss_scale` must be a power of two, not 3");
        check_refused(
            "warmup_epochs = 1\nlr_decay_mode = \"mindspore-linear\"\nepoch_size = 5",
            "run.toml: `epoch_size` must be above 5 for `mindspore-linear`, not 5",
        );
        let error = Resolver::new()
            .toml("a = 1\nb = = 2", "run.toml")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("run.toml, line 2: "), "{error}");
        // At the very start of a line.
        let error = Resolver::new().toml("a = 1\n= 2", "run.toml").unwrap_err().to_string();
        assert!(error.starts_with("run.toml, line 2: "), "{error}");
        let error = Resolver::new().recipe_or_file("minspore").unwrap_err().to_string();
        assert!(error.contains("(did you mean `mindspore`?)"), "{error}");
        let error = Resolver::new()
            .toml("model = \"mnasnet-b2\"", "run.toml")
            .and_then(Resolver::finish)
            .unwrap_err();
        let expected = "run.toml: `model` cannot be used: unknown model `mnasnet-b2` (did you mean `mnasnet-b1`?); ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn flags_win_over_files_over_defaults() {
        let mut layers = Resolver::new().toml("batch_size = 8\nlr_max = 1", "run.toml").unwrap();
        layers.flag("batch_size", "16").unwrap();
        layers.flag("use_label_smooth", "False").unwrap();
        let config = layers.finish().unwrap();
        assert_eq!(
            (config.batch_size, config.lr_max, config.use_label_smooth),
            (16, 1.0, false)
        );
        let mut layers = Resolver::new();
        layers.flag("lr", "0.004").unwrap();
        let error = layers.flag("seed", "x").unwrap_err().to_string();
        assert_eq!(
            error,
            "command line: `seed` takes a whole number, not `x`; it must be at least 0 and at most 9223372036854775807"
        );
    }

    #[test]
    fn whatever_a_refusal_offers_is_taken() {
        let texts = [
            "150%",
            "50%",
            "20%",
            "0.1%",
            "100%",
            "-5%",
            "2,4",
            "0,5",
            "1,000",
            "0,001",
            "1/8",
            "9/8",
            "1e3",
            "1e9",
            "1e30",
            "99999999999999999999",
            "-1",
            "2k",
            "64.0",
            "2.5",
            "90°",
            "",
            " 5",
            "5 ",
            "nan",
            "inf",
            "yes",
            "much",
            "10",
            "20",
            "bfloat16",
            "float32",
            "fp16",
            "16",
            "auto",
            "none",
            "cosin",
            "step",
            "other",
            "mnasnet",
            "mnasnet-b2",
            "resnet50",
            "semnasnet_076",
            "weight",
            "Cosine",
            "randaug",
            "cuda",
            "cuda:0",
            "1,2,3",
            "128",
            "0.01",
            "30",
        ];
        let mut offers = 0;
        for key in KEYS.iter().map(|key| key.name).chain(["lr"]) {
            for text in texts {
                let Err(error) = Resolver::new().flag(key, text) else {
                    continue;
                };
                let error = error.to_string();
                let after = |mark: &str| error.split_once(mark).map(|(_, rest)| rest);
                let offer = (after(": say ").filter(|rest| !rest.contains(' ')))
                    .or_else(|| after("did you mean `")?.split('`').next())
                    .or_else(|| after("did you mean ")?.strip_suffix('?'));
                let Some(offer) = offer else { continue };
                offers += 1;
                let mut layers = Resolver::new();
                layers
                    .flag(key, offer)
                    .unwrap_or_else(|again| panic!("{error}\n{again}"));
                // A fold needs folds beside it.
                assert!(
                    key.starts_with("fold") || layers.finish().is_ok(),
                    "{key} {text}: {error}"
                );
            }
        }
        assert!(offers > 100, "{offers}");
        for (key, text, message) in [
            (
                "hflip",
                "150%",
                "takes a number, not `150%`; it must be at least 0 and at most 1",
            ),
            ("hflip", "50%", "takes a number, not `50%`: say 0.5"),
            ("hflip", "no", "takes a number, not `no`: say 0"),
            (
                "warmup_epochs",
                "50%",
                "takes a number, not `50%`; it must be at least 0 and at most 1000000",
            ),
            (
                "batch_size",
                "2,4",
                "takes a whole number, not `2,4`; it must be at least 1 and at most 65536",
            ),
            (
                "epoch_size",
                "99999999999999999999",
                "takes a whole number, not `99999999999999999999`; it must be at least 1 and at most 1000000",
            ),
            (
                "precision",
                "bfloat16",
                "cannot be `bfloat16` (did you mean `bf16`?); it is one of auto, f32, bf16",
            ),
            (
                "precision",
                "fp16",
                "cannot be `fp16` (there is no float16; `bf16` takes as little room); it is one of auto, f32, bf16",
            ),
        ] {
            let error = Resolver::new().flag(key, text).unwrap_err().to_string();
            assert_eq!(error, format!("command line: `{key}` {message}"));
        }
    }

    #[test]
    fn an_optimizer_brings_its_usual_rates_where_nobody_asks_for_others() {
        let rates = |file: &str, flags: &[(&str, &str)]| {
            let mut layers = Resolver::new()
                .recipe_or_file("sample")
                .unwrap()
                .toml(file, "run.toml")
                .unwrap();
            for (key, text) in flags {
                layers.flag(key, text).unwrap();
            }
            let config = layers.finish().unwrap();
            (config.lr_init, config.lr_max, config.weight_decay)
        };
        // The recipe's own are for sgd.
        assert_eq!(rates("", &[("opt", "adamw")]), (1e-4, 1e-3, 1e-2));
        assert_eq!(rates("opt = 'lion'", &[]), (1e-5, 1e-4, 1e-1));
        assert_eq!(
            rates("", &[("opt", "adamw"), ("weight_decay", "0.05")]),
            (1e-4, 1e-3, 0.05)
        );
        assert_eq!(rates("lr_max = 0.004", &[("opt", "adamw")]), (1e-4, 0.004, 1e-2));
        let sgd = rates("", &[]);
        assert_eq!(rates("", &[("opt", "sgd")]), sgd);
        // A recipe that names an optimizer has rates for it.
        let recipe = "opt = 'adamw'\nlr_max = 0.003";
        let config = Resolver::new().toml(recipe, "recipe own").unwrap().finish().unwrap();
        assert_eq!(
            (config.lr_init, config.lr_max, config.weight_decay),
            (1e-4, 0.003, 1e-2)
        );
    }

    #[test]
    fn one_learning_rate_stands_for_two() {
        let rates = |file: &str, flags: &[(&str, &str)]| {
            let mut layers = Resolver::new().toml(file, "run.toml").unwrap();
            for (key, text) in flags {
                layers.flag(key, text).unwrap();
            }
            layers.finish().map(|config| (config.lr_init, config.lr_max)).unwrap()
        };
        assert_eq!(rates("", &[("lr", "0.004")]), (0.0004, 0.004));
        assert_eq!(rates("lr_init = 0.3\nlr_max = 0.9", &[("lr", "0.03")]), (0.01, 0.03));
        assert_eq!(rates("", &[("lr", "0.004"), ("lr_init", "0.001")]), (0.001, 0.004));
        assert_eq!(rates("lr_max = 0.0", &[("lr", "0.5")]), (0.5, 0.5));
        let error = Resolver::new().flag("lr", "0,01").unwrap_err().to_string();
        assert_eq!(error, "command line: `lr` takes a number, not `0,01`: say 0.01");
    }

    #[test]
    fn the_warm_up_follows_the_length_of_the_run() {
        let warmup = |recipe: Option<&str>, file: &str, flags: &[(&str, &str)]| {
            let mut layers = Resolver::new();
            if let Some(recipe) = recipe {
                layers = layers.recipe_or_file(recipe).unwrap();
            }
            layers = layers.toml(file, "run.toml").unwrap();
            for (key, text) in flags {
                layers.flag(key, text).unwrap();
            }
            layers.finish().map(|config| config.warmup_epochs).ok()
        };
        let epochs = |epochs| [("epoch_size", epochs)];
        for (recipe, file, flags, expected) in [
            (None, "", &[][..], Some(5.0)),
            (None, "", &epochs("25"), Some(5.0)),
            (None, "", &epochs("10"), Some(2.0)),
            (None, "epoch_size = 1", &[], Some(0.2)),
            (Some("sample"), "", &[], Some(3.0)),
            (Some("sample"), "", &epochs("5"), Some(1.0)),
            // What was asked for stays, or is refused; what was asked for another length does not stand in the way.
            (Some("sample"), "warmup_epochs = 3", &epochs("5"), Some(3.0)),
            (None, "warmup_epochs = 8\nepoch_size = 9", &epochs("10"), Some(8.0)),
            (None, "warmup_epochs = 8\nepoch_size = 9", &epochs("5"), Some(1.0)),
            (None, "warmup_epochs = 8\nepoch_size = 5", &[], None),
            (None, "", &[("epoch_size", "5"), ("warmup_epochs", "8")], None),
            (None, "epoch_size = 5", &[("warmup_epochs", "8")], None),
            // MindSpore's curves are its own as far as the run is long enough.
            (Some("mindspore"), "", &epochs("6"), Some(5.0)),
            (Some("mindspore"), "", &epochs("4"), Some(0.8)),
        ] {
            assert_eq!(warmup(recipe, file, flags), expected, "{recipe:?} {file} {flags:?}");
        }
    }

    #[test]
    fn every_recipe_resolves_and_survives_its_own_toml() {
        for (name, _) in RECIPES {
            let config = Resolver::new().recipe_or_file(name).and_then(Resolver::finish).unwrap();
            let again = Resolver::new()
                .toml(&config.to_toml(), "again")
                .and_then(Resolver::finish)
                .unwrap();
            assert_eq!(config, again, "{name}");
        }
    }

    /// The defaults of the MindSpore scripts' `config.py`, value by value.
    #[test]
    fn the_mindspore_recipe_is_theirs() {
        let config = Resolver::new()
            .recipe_or_file("mindspore")
            .and_then(Resolver::finish)
            .unwrap();
        assert_eq!(
            (config.class_num, config.batch_size, config.epoch_size),
            (1000, 256, 250)
        );
        assert_eq!(
            (config.loss_scale, config.momentum, config.weight_decay),
            (1024.0, 0.9, 1e-5)
        );
        assert_eq!(
            (config.opt.name(), config.opt_eps, config.opt_decay),
            ("rmsprop", 1e-3, 0.9)
        );
        assert_eq!(
            (config.lr_init, config.lr_max, config.lr_end, config.warmup_epochs),
            (1e-4, 0.2, 1e-5, 5.0)
        );
        assert_eq!(config.lr_decay_mode, DecayMode::MindsporeOther);
        assert_eq!((config.resolution, config.resize, config.dropout), (224, 255, 0.0));
        assert_eq!((config.save_checkpoint_epochs, config.keep_checkpoint_max), (1, 5));
        // The README's log: the rate of the last step of the first seven epochs of 625 steps.
        let schedule = config.schedule(625);
        let rates = [1, 2, 3, 4, 5, 6, 7].map(|epoch| format!("{:5.3}", schedule.rate(epoch * 625 - 1)));
        assert_eq!(rates, ["0.040", "0.080", "0.120", "0.160", "0.200", "0.199", "0.198"]);
    }
}
