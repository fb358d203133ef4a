//! Every network trains and predicts to the same bits with more threads than processors, and never stands still.
#![cfg(target_os = "linux")]

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{
    Cpu, Loss, Normalise, Optimizer, Pixels, Precision, Predictor, Rule, Smoothing, Snapshot, Step, Trainer,
};
use mnasnet_model::init::{Scheme, initialise};
use mnasnet_model::{Network, OptimizerKind, VARIANTS};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

const IMAGES: usize = 8;
const RESOLUTION: usize = 32;
/// Training steps, each followed by [`PREDICTIONS`].
const STEPS: usize = 3;
const PREDICTIONS: usize = 50;
/// A hundred times what a network takes here on a busy machine: whoever takes longer stands still.
const LIMIT: Duration = Duration::from_secs(180);

/// Lets the calling thread, and those that it starts, run on the first `count` of its processors.
fn pin(count: usize) {
    // SAFETY: both calls get a set of the size that they are told; numbers below CPU_SETSIZE lie in it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        let allowed = (0..libc::CPU_SETSIZE as usize).filter(|&processor| libc::CPU_ISSET(processor, &set));
        let mut some: libc::cpu_set_t = std::mem::zeroed();
        allowed
            .take(count)
            .for_each(|processor| libc::CPU_SET(processor, &mut some));
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&some), &some), 0);
    }
}

/// All logits, of a network that is trained a little.
fn logits(network: &Network, precision: Precision) -> Vec<f32> {
    let cpu = Cpu::detect().unwrap();
    let weights = initialise(network, Scheme::by_name("torchvision").unwrap(), 1);
    let mut predictor = Predictor::new(&cpu, network, &weights, [IMAGES, RESOLUTION], precision).unwrap();
    let momentum = Rule::Sgd {
        momentum: 0.9,
        nesterov: false,
    };
    let optimizer = Optimizer::new(momentum, network, 1e-5, |_| true);
    let start = Snapshot::fresh(weights, OptimizerKind::Sgd.slots());
    let mut trainer = Trainer::new(&cpu, network, optimizer, &start, [IMAGES, RESOLUTION], precision).unwrap();
    let loss = Loss {
        smoothing: 0.1,
        convention: Smoothing::Uniform,
    };
    let bytes: Vec<u8> = (0..IMAGES * RESOLUTION * RESOLUTION * 3)
        .map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let normalise = Normalise {
        scale: [0.0171, 0.0175, 0.0174],
        shift: [-2.118, -2.036, -1.804],
    };
    let pixels = Pixels::U8(&bytes, normalise);
    let mut all = Vec::new();
    for step in 0..STEPS {
        let labels: Vec<u32> = (0..IMAGES as u32).collect();
        trainer
            .step(Step {
                images: pixels.into(),
                targets: (&labels).into(),
                loss,
                dropout_seed: step as u64,
                bn_momentum: None,
            })
            .unwrap();
        trainer.update(1e-2, 1).unwrap();
        predictor.set_weights(trainer.weights().unwrap()).unwrap();
        for _ in 0..PREDICTIONS {
            all.extend_from_slice(predictor.logits(pixels, IMAGES).unwrap());
        }
    }
    all
}

#[test]
fn no_network_stands_still_with_more_threads_than_processors() {
    for variant in VARIANTS.iter() {
        let network = Network::build(variant, 0.35, 10, Some(0.2)).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            let expected = logits(&network, precision);
            for (threads, processors) in [3, 8, 16].into_iter().flat_map(|threads| [(threads, 1), (threads, 2)]) {
                let what = format!("{}, {precision:?}, {threads} threads on {processors}", variant.name);
                let (done, wait) = channel();
                let network = network.clone();
                let thread = std::thread::spawn(move || {
                    pin(processors);
                    let logits = Pool::new(threads).unwrap().install(|| logits(&network, precision));
                    // Nobody listens any more where it took too long.
                    let _ = done.send(logits);
                });
                match wait.recv_timeout(LIMIT) {
                    Ok(logits) => assert!(logits == expected, "{what}: other bits"),
                    Err(RecvTimeoutError::Timeout) => panic!("{what}: stands still"),
                    Err(RecvTimeoutError::Disconnected) => panic!("{what}: {:?}", thread.join()),
                }
            }
        }
    }
}
