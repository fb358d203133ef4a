//! A model file, whatever kind it is: what `eval` and `predict` take.

use std::path::{Path, PathBuf};

use mnasnet_data::{Interpolation, Preprocessing};
use mnasnet_engine::{Cpu, Device, Precision};
use mnasnet_judge::classifier::{Checked, Chosen, Classifier, OnBytes, OnEngine, OnRuntime};
use mnasnet_judge::vectors::Subject;
use mnasnet_model::quantised::QuantisedNetwork;
use mnasnet_model::{Network, Op, Weights};
use mnasnet_onnx::{ReadError, Runtime, is_onnx};
use mnasnet_settings::config::Config;
use mnasnet_weights::kind_of_stranger;
use mnasnet_weights_file::{Record, WeightsFile, network_of, onnx};

use crate::args::{PixelArgs, RuntimeArgs, RuntimeName};
use crate::console::{note, shell_word};
use crate::failure::Failure;
use crate::paths;
use crate::settings::{self, OrOpen};

/// Settings of a run that count when its weights are used. Whatever else a file says of its run, it can be evaluated.
const USED: &[&str] = &[
    "data",
    "ema",
    "fold",
    "folds",
    "label_smooth_convention",
    "label_smooth_factor",
    "precision",
    "smooth_eval_loss",
    "val_share",
];

/// A model: what it says of itself, and what it takes to run it.
pub struct ModelFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Classes, preprocessing, where it comes from.
    pub record: Record,
    /// The settings [`USED`] of the run that it comes from.
    pub config: Config,
    /// What there is to compute.
    pub kind: Kind,
    /// What computes it if it is an ONNX model.
    pub computes: Computes,
    /// The places of the record's classes among the network's, where they are a part of those.
    pub chosen: Option<Vec<usize>>,
}

/// What computes an ONNX model.
pub enum Computes {
    /// The engine, as a network of bytes.
    Engine(Box<QuantisedNetwork>),
    /// A runtime.
    Runtime(Runtime),
}

fn is_used(key: &str) -> bool {
    USED.contains(&key)
}

/// Kinds of models.
pub enum Kind {
    /// Weights of one of our networks.
    Weights {
        /// The network.
        network: Network,
        /// Its weights.
        weights: Weights,
    },
    /// An ONNX model.
    Onnx(mnasnet_onnx::Model),
}

impl ModelFile {
    /// Opens a model file of any kind; of a checkpoint, `ema` takes the moving average. `pixels` says what a model of another program
    /// leaves unsaid.
    pub fn open(path: &Path, ema: bool, pixels: &PixelArgs) -> Result<Self, Failure> {
        Self::open_for(path, ema, pixels, &PixelArgs::default())
    }

    /// The same where `later` is laid over what the model says: what is told of photos is what they become then.
    pub fn open_for(path: &Path, ema: bool, pixels: &PixelArgs, later: &PixelArgs) -> Result<Self, Failure> {
        let path = &*paths::weights(path)?;
        if is_onnx(path) {
            if ema {
                return Err(Failure::Usage(format!(
                    "{} is an ONNX model, which holds one set of weights; leave out --ema",
                    path.display()
                )));
            }
            return Self::open_onnx(path, pixels);
        }
        let file = WeightsFile::open(path)?;
        let mut record = file.record().clone();
        match record.origin.is_some() {
            true => pixels.apply(&mut record.preprocessing)?,
            false => refuse_said(path, pixels)?,
        }
        if file.assumes_photos() {
            let mut told = record.preprocessing.clone();
            later.apply(&mut told)?;
            tell_assumed(path, &told, false);
        }
        if let Some(names) = file.names_left_out() {
            note(&names_left_out(path, names, record.classes.len()));
        }
        let network = network_of(path, &record)?;
        let config = record.settings(path, is_used)?.1;
        if ema && !file.has_ema() {
            return Err(Failure::Usage(format!(
                "{} {}; leave out --ema",
                path.display(),
                match config.ema {
                    true => "holds one set of weights, which is the moving average",
                    false => "is of a run without a moving average",
                }
            )));
        }
        let weights = file.weights(&network, if ema { "ema." } else { "" })?;
        Ok(Self {
            path: path.to_owned(),
            record,
            config,
            kind: Kind::Weights { network, weights },
            computes: Computes::Runtime(Runtime::Rten),
            chosen: None,
        })
    }

    fn open_onnx(path: &Path, pixels: &PixelArgs) -> Result<Self, Failure> {
        let model = mnasnet_onnx::read(path, pixels.resolution).map_err(|error| match kind_of_stranger(path) {
            Some(kind) => not_a_model(path, kind),
            None => error.into(),
        })?;
        let (mut record, assumed) = onnx::record(path, &model)?;
        if model.normalises && !pixels.leaves_numbers() {
            return Err(Failure::Usage(format!(
                "{} takes bytes and normalises them itself; leave out --mean and --std",
                path.display()
            )));
        }
        match assumed {
            true => pixels.apply(&mut record.preprocessing)?,
            false => refuse_said(path, pixels)?,
        }
        if assumed {
            tell_assumed(path, &record.preprocessing, model.normalises);
        }
        Ok(Self {
            path: path.to_owned(),
            config: record.settings(path, is_used)?.1,
            record,
            computes: match mnasnet_onnx::lower(&model) {
                Ok(network) if Cpu::detect()?.multiplies_bytes_fast() => Computes::Engine(Box::new(network)),
                _ => Computes::Runtime(Runtime::Rten),
            },
            kind: Kind::Onnx(model),
            chosen: None,
        })
    }

    /// The same model on another runtime, where one is said.
    pub fn on(self, runtime: Option<Runtime>) -> Self {
        match runtime {
            None => self,
            Some(runtime) => Self {
                computes: Computes::Runtime(runtime),
                ..self
            },
        }
    }

    /// Divides the logits of weights by a temperature, in the classifier's weights: no other file, and no node, is needed for it.
    pub fn divide_logits(&mut self, temperature: f64) {
        let Kind::Weights { network, weights } = &mut self.kind else {
            return;
        };
        let Some(Op::Linear(classifier)) = network.nodes.last().map(|node| &node.op) else {
            return;
        };
        for id in [classifier.weight, classifier.bias] {
            let values = network.parameter_mut(&mut weights.parameters, id);
            values
                .iter_mut()
                .for_each(|value| *value = (f64::from(*value) / temperature) as f32);
        }
    }

    /// What activations are stored as, and what computes: `device`, or another runtime.
    pub fn runs_on(&self, precision: Precision, device: &dyn Device) -> (&'static str, String) {
        match &self.kind {
            Kind::Weights { .. } => (precision.name(), device.name()),
            Kind::Onnx(model) => {
                let computes = match &self.computes {
                    Computes::Engine(_) => processor(device).map_or("the engine", |cpu| cpu.multiplies_bytes_on()),
                    Computes::Runtime(runtime) => runtime.name(),
                };
                (model.numbers.name(), computes.into())
            }
        }
    }

    /// The network and its weights, for what needs them: `what`, such as "heat maps are", made of them alone.
    pub fn weights(&self, what: &str) -> Result<(&Network, &Weights), Failure> {
        match &self.kind {
            Kind::Weights { network, weights } => Ok((network, weights)),
            Kind::Onnx(_) => Err(Failure::Usage(format!(
                "{} is an ONNX model, and {what} made of a file of weights; give the weights that it was exported from",
                self.path.display()
            ))),
        }
    }

    /// The same, on the processor and in float32, to see what it makes of photos.
    pub fn subject(&self, what: &str) -> Result<Subject<'_>, Failure> {
        let (network, weights) = self.weights(what)?;
        Ok(Subject {
            cpu: Cpu::detect()?,
            network,
            weights,
            preprocessing: &self.record.preprocessing,
            precision: Precision::F32,
        })
    }

    /// What becomes of photos before it sees them; `None` where it takes them as they are.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        let itself = matches!(&self.kind, Kind::Onnx(model) if model.photos.is_some());
        (!itself).then_some(&self.record.preprocessing)
    }

    /// What `--precision` comes to on `device` for this model.
    pub fn precision(&self, asked: OrOpen<Precision>, device: &dyn Device) -> Precision {
        settings::precision(asked, &self.config, device)
    }

    /// Plans it on `device`, or on its own runtime, for up to `batch` photos at a time; call it in the pool of threads that it shall use.
    pub fn classifier(&self, device: &dyn Device, batch: usize, precision: Precision) -> Result<Checked, Failure> {
        let preprocessing = &self.record.preprocessing;
        let model: Box<dyn Classifier> = match &self.kind {
            Kind::Weights { network, weights } => Box::new(OnEngine::new(
                device,
                network,
                weights,
                batch,
                preprocessing,
                precision,
            )?),
            Kind::Onnx(model) => match &self.computes {
                Computes::Engine(network) => {
                    Box::new(OnBytes::new(&processor(device)?, network, batch, preprocessing)?)
                }
                Computes::Runtime(runtime) => Box::new(OnRuntime::new(&self.path, model, runtime, preprocessing)?),
            },
        };
        let model: Box<dyn Classifier> = match &self.chosen {
            Some(places) => Box::new(Chosen::new(model, places.clone())),
            None => model,
        };
        Ok(Checked::new(&self.path, model))
    }
}

/// A file that has a model's name and is another thing.
fn not_a_model(path: &Path, kind: &str) -> Failure {
    Failure::from(ReadError::Format {
        path: path.to_owned(),
        reason: format!("is {kind}, and no ONNX model; export the model again, or download it again"),
    })
}

/// The processor: `device` itself, or the best one beside a GPU, for what runs on the processor whatever the device is.
pub fn processor(device: &dyn Device) -> Result<Cpu, Failure> {
    let itself = Cpu::all().into_iter().find(|cpu| cpu.name() == device.name());
    match itself {
        Some(cpu) => Ok(cpu),
        None => Ok(Cpu::detect()?),
    }
}

/// Says what is taken for photos where the file does not say it.
fn tell_assumed(path: &Path, preprocessing: &Preprocessing, normalises: bool) {
    let numbers = match normalises {
        true => "bytes as they are".to_owned(),
        false => format!("mean {:?}, std {:?}", preprocessing.mean, preprocessing.std),
    };
    note(&format!(
        "{} does not say what becomes of photos; taken: {}, {numbers} ({} say otherwise)",
        path.display(),
        seen(preprocessing),
        PixelArgs::FLAGS
    ));
}

/// What is said of names in a file that are not as many as its classes.
pub fn names_left_out(path: &Path, names: usize, classes: usize) -> String {
    format!(
        "{} names {names} classes and has {classes}, so that the names are left out; give them by `mnasnet convert {} NEW.safetensors \
         --class-list FILE`",
        path.display(),
        shell_word(path)
    )
}

/// How a photo becomes an image, in words.
pub fn seen(preprocessing: &Preprocessing) -> String {
    let Preprocessing {
        resolution: r,
        resize,
        interpolation,
        ..
    } = preprocessing;
    let filter = match interpolation {
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
        Interpolation::MindSpore => "MindSpore's bilinear",
    };
    match resize {
        0 => format!("not resized, the middle {r} x {r}"),
        resize => format!("{filter} to a shorter side of {resize}, the middle {r} x {r}"),
    }
}

/// A model that says itself what becomes of photos is right.
fn refuse_said(path: &Path, pixels: &PixelArgs) -> Result<(), Failure> {
    match pixels.given().as_slice() {
        [] => Ok(()),
        given => Err(Failure::Usage(format!(
            "{} says itself what becomes of photos; leave out {}",
            path.display(),
            given.join(" and ")
        ))),
    }
}

/// The models, those in ONNX on the runtime that was asked for.
pub fn on_runtime<const N: usize>(models: [ModelFile; N], args: &RuntimeArgs) -> Result<[ModelFile; N], Failure> {
    if args.runtime != RuntimeName::Auto && !models.iter().any(|model| matches!(model.kind, Kind::Onnx(_))) {
        return Err(Failure::Usage(format!(
            "{} is a file of weights, which this program computes itself; leave out --runtime, or export it first",
            models[0].path.display()
        )));
    }
    let runtime = args.open()?;
    Ok(models.map(|model| model.on(runtime.clone())))
}
