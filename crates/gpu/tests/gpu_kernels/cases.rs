//! Steps to take: on which images, in which plan, and what a device makes of them.

use crate::networks::{Answers, Images, model, rounding, weights};
use crate::reference::Done;
use mnasnet_engine::{Device, Group, Optimizer, Pixels, Precision, Rule, Share, Snapshot, Step, StepReport, Trainer};
use mnasnet_gpu::Tile;
use mnasnet_model::{Network, OptimizerKind, Weights};

/// A step to take.
#[derive(Clone, Copy)]
pub struct Case {
    /// Images that are planned and given.
    pub planned: usize,
    pub images: usize,
    pub resolution: usize,
    /// Pixels as bytes, or as floats.
    pub bytes: bool,
    /// Two labels an image by MindSpore's convention, or one by PyTorch's.
    pub two: bool,
    /// Images of other processes before and behind these.
    pub others: [usize; 2],
    /// Whether the sweep is the one that stops for all processes' statistics.
    pub synced: bool,
}

const CASE: Case = Case {
    planned: 2,
    images: 2,
    resolution: 33,
    bytes: true,
    two: false,
    others: [0, 0],
    synced: false,
};

const fn case([planned, images]: [usize; 2], resolution: usize, bytes: bool, two: bool) -> Case {
    Case {
        planned,
        images,
        resolution,
        bytes,
        two,
        ..CASE
    }
}

/// Odd sizes, all kinds of input; layers with one row and with two.
pub const CASES: [Case; 6] = [
    case([5, 5], 50, true, false),
    case([5, 2], 33, false, true),
    case([2, 2], 7, true, true),
    case([1, 1], 1, false, false),
    Case {
        others: [3, 4],
        ..case([2, 1], 33, true, true)
    },
    Case { synced: true, ..CASE },
];

/// What a device has made of a step.
pub struct Made {
    pub report: StepReport,
    pub logits: Vec<f32>,
    pub gradients: Vec<f32>,
    pub weights: Weights,
}

/// A trainer with plain gradient descent.
pub fn trainer(device: &dyn Device, network: &Network, weights: &Weights, case: Case, precision: Precision) -> Trainer {
    let rule = Rule::Sgd {
        momentum: 0.0,
        nesterov: false,
    };
    let optimizer = Optimizer::new(rule, network, 0.0, |_| false);
    let start = Snapshot::fresh(weights.clone(), OptimizerKind::Sgd.slots());
    let size = [case.planned, case.resolution];
    Trainer::new(device, network, optimizer, &start, size, precision).unwrap()
}

/// A step, in memory that a step on nothing but NaN has filled: what a kernel reads beyond its images is not overlooked.
pub fn made(trainer: &mut Trainer, case: Case, images: &Images, answers: &Answers, classes: usize) -> Made {
    let Case {
        planned, resolution, ..
    } = case;
    let nothing = vec![f32::NAN; planned * resolution * resolution * 3];
    let labels = vec![0; planned];
    let start = trainer.snapshot().unwrap();
    let mut step = Step {
        images: Pixels::F32(&nothing).into(),
        targets: (&labels).into(),
        loss: answers.loss,
        dropout_seed: 0,
        bn_momentum: None,
    };
    let report = trainer.step(step).unwrap();
    assert!(report.loss.is_nan(), "the loss of nothing but NaN is {}", report.loss);
    trainer.restore(&start).unwrap();
    step.images = images.pixels(0..case.images).into();
    step.targets.labels = &answers.labels;
    step.targets.others = &answers.others;
    step.dropout_seed = SEED;
    let share = Share {
        group: &mut Group::alone(),
        whole: case.images + case.others[0] + case.others[1],
        before: case.others[0],
        sync_bn: case.synced,
        tally: &mut [],
    };
    let report = trainer.shared_step(step, share, &mut ()).unwrap();
    Made {
        report,
        logits: trainer.logits().unwrap()[..case.images * classes].to_vec(),
        gradients: trainer.gradients().unwrap().to_vec(),
        weights: trainer.weights().unwrap().clone(),
    }
}

/// Above 32 bits, as seeds are.
const SEED: u64 = 0xfedc_ba98_7654_3210;

/// The distance from a ReLU's kink that float32's rounding, amplified by batch norm, does not cross.
const KINK: f64 = 2e-6;

/// What a check is given: a case, and what the reference makes of it.
pub struct Posed<'a> {
    pub what: String,
    pub network: &'a Network,
    pub case: Case,
    pub weights: &'a Weights,
    pub images: &'a Images,
    pub answers: &'a Answers,
    pub want: Done,
}

/// Poses each case, with weights whose values all keep off the kinks of their ReLUs, until the check is content with it.
pub fn each_case(
    name: &str,
    network: &Network,
    (precision, tile): (Precision, Option<Tile>),
    cases: impl IntoIterator<Item = Case>,
    mut check: impl FnMut(&Posed) -> bool,
) {
    for (n, case) in cases.into_iter().enumerate() {
        let mut network = network.clone();
        if case.resolution < 17 || precision == Precision::Bf16 {
            // Of few rows batch norm makes plus and minus one, whatever they are, and it amplifies what rounding does to them.
            network.bn_epsilon = 0.1;
        }
        let answers = Answers::new(case.images, network.classes, case.two);
        let whole = case.images + case.others[0] + case.others[1];
        let mut is_content = false;
        for seed in 1..=40 {
            let weights = weights(&network, seed);
            let images = Images::new(case.images, case.resolution, case.bytes, seed);
            let reference = match precision {
                Precision::F32 => model(&network, &weights),
                Precision::Bf16 => rounding(&network, &weights, tile),
            };
            let want = reference.step(&answers.batch(&images, network.classes, SEED, [whole, case.others[0]]));
            if want.kink < KINK {
                continue;
            }
            is_content = check(&Posed {
                what: format!("{name}, {precision:?}, case {n}, seed {seed}"),
                network: &network,
                case,
                weights: &weights,
                images: &images,
                answers: &answers,
                want,
            });
            if is_content {
                break;
            }
        }
        assert!(is_content, "{name}, {precision:?}, case {n}: no weights will do");
    }
}
