//! What must hold on every device, run on each that this machine has: the processor with every instruction set.
//!
//! A check takes the device; `suite!` makes a test of it.

mod golden;
#[path = "../support/npy.rs"]
mod npy;
mod properties;
#[path = "../support/seeded.rs"]
mod seeded;
mod timm;

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{Cpu, Device, Optimizer, Precision, Rule, Snapshot, Trainer};
use mnasnet_model::{Network, Weights};

/// Runs `check` on every device.
fn on_every_device(check: fn(&dyn Device)) {
    let pool = Pool::new(2).unwrap();
    for device in Cpu::all() {
        println!("on {}", device.name());
        pool.install(|| check(&device));
    }
}

/// A trainer that starts from `weights`, with plain gradient descent.
fn trainer(
    device: &dyn Device,
    network: &Network,
    weights: &Weights,
    [batch, resolution]: [usize; 2],
    precision: Precision,
) -> Trainer {
    let rule = Rule::Sgd {
        momentum: 0.0,
        nesterov: false,
    };
    let optimizer = Optimizer::new(rule, network, 0.0, |_| false);
    let start = Snapshot::fresh(weights.clone(), &optimizer);
    Trainer::new(device, network, optimizer, &start, [batch, resolution], precision).unwrap()
}

macro_rules! suite {
    ($($module:ident: $($check:ident),+;)+) => {
        mod suite {
            $(mod $module {
                $(#[test]
                fn $check() {
                    crate::on_every_device(crate::$module::$check);
                })+
            })+
        }
    };
}

suite! {
    golden:
        evaluation_logits_equal_mindspores,
        three_training_steps_equal_mindspores;
    properties:
        gradients_are_derivatives,
        results_do_not_depend_on_the_number_of_threads,
        an_image_is_predicted_the_same_in_any_batch,
        a_batch_may_be_smaller_than_planned,
        bfloat16_is_float32_to_its_rounding,
        any_size_runs,
        memory_is_used_again,
        a_snapshot_is_where_training_goes_on,
        wrong_calls_are_refused_with_a_sentence;
    timm:
        b1_equals_timms,
        a1_at_an_odd_resolution_equals_timms,
        a1_at_another_width_equals_timms,
        small_equals_timms,
        b1_at_half_width_equals_torchvisions;
}
