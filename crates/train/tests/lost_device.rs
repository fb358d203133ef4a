//! A device that is lost in mid-run ends the run, and costs nothing that was saved.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mnasnet_engine::device::{Ceilings, Inference, Training};
use mnasnet_engine::plan::Plan;
use mnasnet_engine::{
    Checks, Cpu, Device, EngineError, Group, Moments, Optimizer, Pixels, Precision, Share, Snapshot, Stage, Step,
    StepReport, Wire,
};
use mnasnet_model::{Network, Weights};
use mnasnet_settings::config::Config;
use mnasnet_settings::resolve::Resolver;
use mnasnet_train::folder::{checkpoint, runs::Held};
use mnasnet_train::{Event, Observer, Outcome, RunFolder, Start, TrainError, train};
use mnasnet_weights_file::WeightsFile;

/// The processor, which takes so many updates and then no longer answers to anything.
struct Failing {
    cpu: Cpu,
    left: Arc<AtomicUsize>,
}

impl Failing {
    fn after(updates: usize) -> Self {
        Self {
            cpu: Cpu::detect().unwrap(),
            left: Arc::new(AtomicUsize::new(updates)),
        }
    }
}

impl Device for Failing {
    fn name(&self) -> String {
        self.cpu.name()
    }
    fn precision(&self) -> Precision {
        self.cpu.precision()
    }
    fn training(&self) -> Result<Box<dyn Training>, EngineError> {
        Ok(Box::new(FailingTraining {
            training: self.cpu.training()?,
            left: Arc::clone(&self.left),
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

struct FailingTraining {
    training: Box<dyn Training>,
    left: Arc<AtomicUsize>,
}

impl FailingTraining {
    fn there(&mut self) -> Result<&mut dyn Training, EngineError> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(EngineError::Device("the card fell off the bus".into())),
            _ => Ok(&mut *self.training),
        }
    }
}

impl Training for FailingTraining {
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
    fn step(&mut self, step: Step, share: Share, done: &mut dyn FnMut(Stage)) -> Result<StepReport, EngineError> {
        self.there()?.step(step, share, done)
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
    fn update(&mut self, optimizer: &Optimizer, lr: f32) -> Result<(), EngineError> {
        self.there()?.update(optimizer, lr)?;
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

struct Silent;
impl Observer for Silent {
    fn event(&mut self, _: Event) {}
}

fn run(config: &Config, device: &dyn Device, out: &Path, start: Start) -> Result<Outcome, TrainError> {
    let stop = AtomicBool::new(false);
    let folder = RunFolder::new(out);
    train(config, device, folder, start, &stop, &mut Group::alone(), &mut Silent)
}

#[test]
fn what_was_saved_before_a_device_is_lost_is_whole_and_goes_on_to_the_same_bits() {
    let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/sample");
    let text = format!(
        "data = \"{photos}\"\nmodel = \"mnasnet-small\"\nwidth = 0.35\nresolution = 32\nbatch_size = 64\nepoch_size = 2\n\
         warmup_epochs = 0\nema = true\ncheckpoint_every = \"3steps\"\nprecision = \"f32\""
    );
    let config = Resolver::new().toml(&text, "test").and_then(Resolver::finish).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (whole, broken) = (place.path().join("whole"), place.path().join("broken"));
    let cpu = Cpu::detect().unwrap();
    let Outcome::Finished { .. } = run(&config, &cpu, &whole, Start::Fresh).unwrap() else {
        panic!("it was not stopped");
    };
    for updates in [4, 7] {
        let start = match Held::find(&broken).unwrap() {
            Some(held) => Start::Resume(Box::new(held.file)),
            None => Start::Fresh,
        };
        let error = run(&config, &Failing::after(updates), &broken, start).unwrap_err();
        let TrainError::Lost { cause, kept, folder } = &error else {
            panic!("{error}");
        };
        assert!(matches!(cause, EngineError::Device(_)) && *folder == broken, "{error}");
        let kept = kept.as_ref().unwrap();
        assert!(
            WeightsFile::open(kept).unwrap().record().progress.global_step >= 3,
            "{error}"
        );
        let expected = format!("the card fell off the bus; the last checkpoint is {}", kept.display());
        assert_eq!(error.to_string(), expected);
    }
    let held = Held::open(&broken).unwrap();
    run(&config, &cpu, &broken, Start::Resume(Box::new(held.file))).unwrap();
    let last = |run: &Path| WeightsFile::open(&checkpoint::newest(run, "checkpoints").unwrap()).unwrap();
    assert_eq!(last(&broken).differing(&last(&whole)), [""; 0]);
}
