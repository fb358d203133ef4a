//! A training step and a prediction allocate nothing: all memory is taken when the plan is made.

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{
    Cpu, Loss, Normalise, Optimizer, Pixels, Precision, Predictor, Rule, Smoothing, Snapshot, Step, Trainer,
};
use mnasnet_model::init::{Scheme, initialise};
use mnasnet_model::{Network, OptimizerKind, Variant};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn steps_and_predictions_allocate_nothing() {
    let pool = Pool::new(2).unwrap();
    for (variant, precision) in [("mnasnet-a1", Precision::F32), ("mnasnet-mindspore", Precision::Bf16)] {
        let network = Network::build(Variant::by_name(variant).unwrap(), 0.5, 10, Some(0.2)).unwrap();
        let counted = pool.install(|| {
            let cpu = Cpu::detect().unwrap();
            let weights = initialise(&network, Scheme::by_name("torchvision").unwrap(), 1);
            let mut predictor = Predictor::new(&cpu, &network, &weights, [4, 48], precision).unwrap();
            let rule = Rule::RmsProp {
                decay: 0.9,
                momentum: 0.9,
                epsilon: 1e-3,
            };
            let optimizer = Optimizer::new(rule, &network, 1e-5, |_| true);
            let start = Snapshot {
                average: Some(weights.clone()),
                ..Snapshot::fresh(weights, OptimizerKind::RmsProp.slots())
            };
            let mut trainer = Trainer::new(&cpu, &network, optimizer, &start, [4, 48], precision).unwrap();
            let mut snapshot = Snapshot::empty();
            let loss = Loss {
                smoothing: 0.1,
                convention: Smoothing::Others,
            };
            let bytes = vec![100; 4 * 48 * 48 * 3];
            let pixels = Pixels::U8(
                &bytes,
                Normalise {
                    scale: [0.01; 3],
                    shift: [-1.0; 3],
                },
            );
            let mut round = || {
                let targets = (&[0, 1, 2, 3]).into();
                trainer
                    .step(Step {
                        images: pixels.into(),
                        targets,
                        loss,
                        dropout_seed: 0,
                        bn_momentum: None,
                    })
                    .unwrap();
                trainer.update(1e-3, 1).unwrap();
                trainer.move_average(0.1).unwrap();
                trainer.snapshot_into(&mut snapshot).unwrap();
                predictor.logits(pixels, 4).unwrap();
            };
            round();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            (0..5).for_each(|_| round());
            ALLOCATIONS.load(Ordering::Relaxed) - before
        });
        assert_eq!(counted, 0, "{variant}: allocations in five rounds");
    }
}
