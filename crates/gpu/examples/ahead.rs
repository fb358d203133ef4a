//! How long a training step waits for its images, given with the step and sent beside the step before.
//!
//! `ahead BATCH RESOLUTION [u8 | f32] [STEPS]`. The two take turns. Each line says the medians and the least: from the call of a step until
//! the device has been given all its work, and the whole step with its update. A step whose images are given sends the next ones ahead.

use mnasnet_engine::{
    Beside, EngineError, Group, Images, Loss, Normalise, Optimizer, Pixels, Precision, Rule, Share, Smoothing,
    Snapshot, Step, Trainer,
};
use mnasnet_model::{Network, OptimizerKind, Scheme, Variant, initialise};
use std::time::Instant;

/// The next step's images, where they are to go ahead, and when they were asked for: the device has all its work then.
struct Next<'a> {
    pixels: Option<Pixels<'a>>,
    asked: Option<Instant>,
}

impl Beside for Next<'_> {
    fn coming(&mut self) -> Option<Pixels<'_>> {
        self.asked = Some(Instant::now());
        self.pixels
    }
}

fn main() -> Result<(), EngineError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (batch, resolution, steps) = (number(0, 8), number(1, 224), number(3, 9));
    let kind = arguments.get(2).map_or("u8", String::as_str);

    let adapters = mnasnet_gpu::adapters();
    let gpu = adapters.first().expect("there is a GPU").open()?;
    let variant = Variant::by_name("mnasnet-small").expect("a variant");
    let network = Network::build(variant, 0.35, 10, Some(0.2)).expect("a variant is a network");
    let rule = Rule::Sgd {
        momentum: 0.9,
        nesterov: false,
    };
    let optimizer = Optimizer::new(rule, &network, 0.0, |_| false);
    let start = Snapshot::fresh(initialise(&network, Scheme::default(), 1), OptimizerKind::Sgd.slots());
    let mut trainer = Trainer::new(&gpu, &network, optimizer, &start, [batch, resolution], Precision::F32)?;

    let count = batch * resolution * resolution * 3;
    let bytes: Vec<u8> = (0..count).map(|i| (i * 7919 % 251) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 128.0 - 1.0).collect();
    let normalise = Normalise {
        scale: [0.017; 3],
        shift: [-2.1, -2.0, -1.8],
    };
    let pixels = match kind {
        "u8" => Pixels::U8(&bytes, normalise),
        _ => Pixels::F32(&floats),
    };
    let labels: Vec<u32> = (0..batch as u32).map(|image| image % 10).collect();
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Uniform,
    };
    // Milliseconds until the device has its work, and of the whole step: given, ahead.
    let mut waits = [vec![], vec![]];
    let mut wholes = [vec![], vec![]];
    for turn in 0..2 * steps + 4 {
        let step = Step {
            images: trainer.sent().map_or(pixels.into(), Images::Sent),
            targets: (&labels).into(),
            loss,
            dropout_seed: 1,
            bn_momentum: None,
        };
        let is_ahead = trainer.sent().is_some();
        let share = Share {
            group: &mut Group::alone(),
            whole: batch,
            before: 0,
            sync_bn: false,
            tally: &mut [],
        };
        let mut next = Next {
            pixels: (turn % 2 == 0).then_some(pixels),
            asked: None,
        };
        let start = Instant::now();
        trainer.shared_step(step, share, &mut next)?;
        trainer.update(1e-6, 1)?;
        let whole = start.elapsed();
        let asked = next.asked.expect("a device with memory of its own asks") - start;
        // The first ones compile kernels and take memory.
        if turn >= 4 {
            waits[usize::from(is_ahead)].push(1e3 * asked.as_secs_f64());
            wholes[usize::from(is_ahead)].push(1e3 * whole.as_secs_f64());
        }
    }
    println!(
        "{}, batch {batch}, {resolution} x {resolution}, {kind}",
        adapters[0].device_name()
    );
    for (at, name) in ["given with the step", "sent ahead"].into_iter().enumerate() {
        let [wait, whole] = [&mut waits[at], &mut wholes[at]].map(|times| {
            times.sort_by(f64::total_cmp);
            format!("{:.2} ms, at best {:.2}", times[times.len() / 2], times[0])
        });
        println!("{name}: until the device has its work {wait}; a step {whole}");
    }
    Ok(())
}
