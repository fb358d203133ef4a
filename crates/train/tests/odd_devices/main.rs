//! Runs on devices that no machine of a test has: one that is lost, and one that takes images ahead of their step.

mod ahead;
mod lost;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mnasnet_engine::device::{Ceilings, Inference, Training};
use mnasnet_engine::plan::Plan;
use mnasnet_engine::{
    Beside, Checks, Cpu, Device, EngineError, Group, Images, Moments, Normalise, Optimizer, Pixels, Precision, Share,
    Snapshot, Step, StepReport, Wire,
};
use mnasnet_model::{Network, Weights};
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::Resolver;
use mnasnet_train::folder::checkpoint;
use mnasnet_train::folder::runs::Held;
use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, TrainError, train};
use mnasnet_weights_file::WeightsFile;

/// The processor with a manner of its own.
struct Odd {
    cpu: Cpu,
    /// Updates until it no longer answers to anything.
    left: Arc<AtomicUsize>,
    /// Steps whose images it took beside the step before; `None` where it never asks.
    ahead: Option<Arc<AtomicUsize>>,
}

impl Odd {
    /// It takes so many updates and is lost.
    fn lost_after(updates: usize) -> Self {
        Self {
            cpu: Cpu::detect().unwrap(),
            left: Arc::new(AtomicUsize::new(updates)),
            ahead: None,
        }
    }

    /// It has memory of its own for images, and waits for those of the next step, as a slow device does.
    fn asking() -> Self {
        Self {
            ahead: Some(Arc::default()),
            ..Self::lost_after(usize::MAX)
        }
    }
}

impl Device for Odd {
    fn name(&self) -> String {
        self.cpu.name()
    }
    fn precision(&self) -> Precision {
        self.cpu.precision()
    }
    fn training(&self) -> Result<Box<dyn Training>, EngineError> {
        Ok(Box::new(OddTraining {
            training: self.cpu.training()?,
            left: Arc::clone(&self.left),
            ahead: self.ahead.clone(),
            came: None,
        }))
    }
    fn inference(&self) -> Result<Box<dyn Inference>, EngineError> {
        self.cpu.inference()
    }
    fn alternatives(&self) -> Vec<Box<dyn Device>> {
        Vec::new()
    }
    fn ceilings(&self) -> Option<Ceilings> {
        self.cpu.ceilings()
    }
    fn tells_stages(&self) -> bool {
        self.cpu.tells_stages()
    }
}

struct OddTraining {
    training: Box<dyn Training>,
    left: Arc<AtomicUsize>,
    ahead: Option<Arc<AtomicUsize>>,
    /// Images of the next step.
    came: Option<(Vec<u8>, Normalise)>,
}

impl OddTraining {
    fn there(&mut self) -> Result<&mut dyn Training, EngineError> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(EngineError::Device("the card fell off the bus".into())),
            _ => Ok(&mut *self.training),
        }
    }
}

impl Training for OddTraining {
    fn prepare(&mut self, network: &Network, plan: &Plan) -> Result<(), EngineError> {
        self.there()?.prepare(network, plan)
    }
    fn join(&mut self, network: &Network, wire: Wire, group: &Group) -> Result<(), EngineError> {
        self.there()?.join(network, wire, group)
    }
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        self.there()?.restore(snapshot)
    }
    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), EngineError> {
        self.there()?.snapshot(snapshot)
    }
    fn step(&mut self, step: Step, share: Share, beside: &mut dyn Beside) -> Result<StepReport, EngineError> {
        let came = self.came.take();
        let images = match (step.images, &came) {
            (Images::Sent(_), Some((bytes, normalise))) => Pixels::U8(bytes, *normalise).into(),
            (images, _) => images,
        };
        let report = self.there()?.step(Step { images, ..step }, share, beside)?;
        let Some(ahead) = &self.ahead else { return Ok(report) };
        for _ in 0..20 {
            if let Some(Pixels::U8(bytes, normalise)) = beside.coming() {
                self.came = Some((bytes.to_vec(), normalise));
                ahead.fetch_add(1, Ordering::Relaxed);
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(report)
    }
    fn checks(&mut self) -> Result<Checks, EngineError> {
        self.there()?.checks()
    }
    fn is_finite(&mut self) -> Result<bool, EngineError> {
        self.there()?.is_finite()
    }
    fn scale_gradients(&mut self, factor: f32) -> Result<(), EngineError> {
        self.there()?.scale_gradients(factor)
    }
    fn update(&mut self, optimizer: &Optimizer, lr: f32, step: u64) -> Result<(), EngineError> {
        self.there()?.update(optimizer, lr, step)?;
        self.left.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
    fn move_average(&mut self, share: f32) -> Result<(), EngineError> {
        self.there()?.move_average(share)
    }
    fn weights(&mut self) -> Result<&Weights, EngineError> {
        self.there()?.weights()
    }
    fn average(&mut self) -> Result<Option<&Weights>, EngineError> {
        self.there()?.average()
    }
    fn discard(&mut self) -> Result<(), EngineError> {
        self.there()?.discard()
    }
    fn measure(&mut self, pixels: Pixels, images: usize) -> Result<&[Moments], EngineError> {
        self.there()?.measure(pixels, images)
    }
    fn gradients(&mut self) -> Result<&[f32], EngineError> {
        self.there()?.gradients()
    }
    fn logits(&mut self) -> Result<&[f32], EngineError> {
        self.there()?.logits()
    }
    fn bytes(&self) -> usize {
        self.training.bytes()
    }
}

/// Settings of a small run: the sample's photos, or others, and what `more` says.
fn config(photos: &Path, more: &str) -> Config {
    let text = format!(
        "data = \"{}\"\nmodel = \"mnasnet-small\"\nwidth = 0.35\nresolution = 32\nbatch_size = 64\nepoch_size = 2\n\
         warmup_epochs = 0\nema = true\nprecision = \"f32\"",
        photos.display()
    );
    let layers = Resolver::new()
        .toml(&text, "test")
        .and_then(|layers| layers.toml(more, "more"));
    layers.and_then(Resolver::finish).unwrap()
}

fn sample() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/sample"))
}

/// Stops the run after so many steps of this start.
struct After<'a>(usize, &'a AtomicBool);

impl Observer for After<'_> {
    fn event(&mut self, event: Event) {
        if let Event::Step(_) = event {
            self.0 = self.0.saturating_sub(1);
            self.1.store(self.0 == 0, Ordering::Relaxed);
        }
    }
}

/// Goes on with the run in `out`, or begins it.
fn run(config: &Config, device: &dyn Device, out: &Path, steps: usize) -> Result<Outcome, TrainError> {
    let start = match Held::find(out).unwrap() {
        Some(held) => Start::Resume(Box::new(held.file)),
        None => Start::Fresh,
    };
    let stop = AtomicBool::new(false);
    let (folder, observer) = (RunFolder::new(out), &mut After(steps, &stop));
    train(config, device, folder, start, &stop, &mut Group::alone(), observer)
}

/// The last checkpoint of a run.
fn last(run: &Path) -> WeightsFile {
    WeightsFile::open(&checkpoint::newest(run, "checkpoints").unwrap()).unwrap()
}
