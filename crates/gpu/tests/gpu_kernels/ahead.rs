//! Images that go to the device beside the step before theirs: the bits are those of images that are given with their step.

use crate::cases::{CASES, trainer};
use crate::devices::on_every_gpu;
use crate::networks::{Answers, Images, inverted, weights};
use mnasnet_engine::{
    self as engine, Beside, Device, Group, Pixels, Precision, Share, Snapshot, Step, StepReport, Trainer,
};
use mnasnet_model::Network;

/// What a device asks for beside a step.
struct Next<'a> {
    pixels: Option<Pixels<'a>>,
    asked: usize,
}

impl Beside for Next<'_> {
    fn coming(&mut self) -> Option<Pixels<'_>> {
        self.asked += 1;
        self.pixels
    }
}

/// Images and what they show: a step.
struct Batch {
    images: Images,
    answers: Answers,
    count: usize,
}

impl Batch {
    fn new(count: usize, resolution: usize, bytes: bool, seed: u64) -> Self {
        Self {
            images: Images::new(count, resolution, bytes, seed),
            answers: Answers::new(count, inverted(0.2).classes, bytes),
            count,
        }
    }

    fn pixels(&self) -> Pixels<'_> {
        self.images.pixels(0..self.count)
    }

    /// Learns from it. Whether its images are on the device already is the trainer's to say.
    fn step(&self, trainer: &mut Trainer, seed: u64, next: Option<Pixels>) -> (StepReport, Vec<f32>) {
        let step = Step {
            images: trainer.sent().map_or(self.pixels().into(), engine::Images::Sent),
            targets: engine::Targets {
                labels: &self.answers.labels,
                others: &self.answers.others,
            },
            loss: self.answers.loss,
            dropout_seed: seed,
            bn_momentum: None,
        };
        let share = Share {
            group: &mut Group::alone(),
            whole: self.count,
            before: 0,
            sync_bn: false,
            tally: &mut [],
        };
        let mut beside = Next { pixels: next, asked: 0 };
        let report = trainer.shared_step(step, share, &mut beside).unwrap();
        assert_eq!(beside.asked, 1, "a device with memory of its own asks once a step");
        let gradients = trainer.gradients().unwrap().to_vec();
        let checks = trainer.checks().unwrap();
        trainer.clip_gradients(checks, 0.5 * checks.gradient_norm).unwrap();
        trainer.update(0.05, 1).unwrap();
        (report, gradients)
    }
}

/// Steps whose resolution grows after the first ones: what each came to, and what was learnt.
fn learn(
    gpu: &dyn Device,
    network: &Network,
    precision: Precision,
    ahead: bool,
) -> (Vec<(StepReport, Vec<f32>)>, Snapshot) {
    let mut trainer = trainer(gpu, network, &weights(network, 31), CASES[0], precision);
    let mut done = Vec::new();
    for (planned, resolution) in [(3, 17), (4, 33), (2, 20)] {
        // Parts of a batch among whole ones; bytes whose number is no multiple of four; floats behind bytes.
        let batches: Vec<Batch> = [
            (planned, true),
            (1, true),
            (planned, false),
            (planned - 1, true),
            (planned, true),
        ]
        .into_iter()
        .enumerate()
        .map(|(n, (count, bytes))| Batch::new(count, resolution, bytes, 40 + n as u64))
        .collect();
        trainer.plan(planned, resolution).unwrap();
        let held = trainer.planned_bytes();
        for (n, batch) in batches.iter().enumerate() {
            assert_eq!(trainer.sent().is_some(), ahead && n > 0);
            let next = batches.get(n + 1).filter(|_| ahead).map(Batch::pixels);
            done.push(batch.step(&mut trainer, n as u64, next));
        }
        assert_eq!(trainer.planned_bytes(), held, "all memory is taken with the plan");
    }
    (done, trainer.snapshot().unwrap())
}

#[test]
fn the_bits_are_the_same_with_and_without() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        for precision in [Precision::F32, Precision::Bf16] {
            let (without, learnt) = learn(gpu, &network, precision, false);
            let (with, same) = learn(gpu, &network, precision, true);
            for (n, (one, other)) in without.iter().zip(&with).enumerate() {
                assert!(one.0.loss.is_finite());
                assert_eq!(one.0, other.0, "{precision:?}, step {n}");
                assert!(one.1 == other.1, "{precision:?}, step {n}: gradients");
            }
            assert!(learnt == same, "{precision:?}: what was learnt");
        }
    });
}

/// Images that went ahead and that nobody takes are as if they had not gone.
#[test]
fn other_images_may_be_given_instead() {
    on_every_gpu(|gpu| {
        let network = inverted(0.2);
        let [first, other, second] = [50, 51, 52].map(|seed| Batch::new(2, 17, true, seed));
        let run = |passed_over: bool| {
            let mut trainer = trainer(gpu, &network, &weights(&network, 31), CASES[0], Precision::F32);
            trainer.plan(2, 17).unwrap();
            first.step(&mut trainer, 1, passed_over.then(|| other.pixels()));
            assert_eq!(trainer.sent().is_some(), passed_over);
            let step = Step {
                images: second.pixels().into(),
                targets: (&second.answers.labels).into(),
                loss: second.answers.loss,
                dropout_seed: 2,
                bn_momentum: None,
            };
            (trainer.step(step).unwrap(), trainer.gradients().unwrap().to_vec())
        };
        assert!(run(true) == run(false));
    });
}
