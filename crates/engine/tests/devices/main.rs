//! What must hold on every device, run on each that this machine has: the processor with every instruction set, and all GPUs, those of
//! software where they are asked for.
//!
//! A check takes the device; `suite!` makes a test of it.

mod derivatives;
mod golden;
mod properties;
mod timm;

use mnasnet_engine::pool::Pool;
use mnasnet_engine::{Cpu, Device, Optimizer, Precision, Rule, Snapshot, Trainer};
use mnasnet_gpu::Gpu;
use mnasnet_model::{Network, OptimizerKind, Weights};
use std::sync::LazyLock;

/// The environment variable that picks devices, by a part of their names: `vulkan`.
const ONLY: &str = "MNASNET_TEST_DEVICES";

/// Opened once, so that the tests share the pipelines. Software devices take minutes to compile all kernels, and most desktops have one:
/// they are taken only where they are asked for.
static GPUS: LazyLock<Vec<Gpu>> = LazyLock::new(|| {
    let wanted = std::env::var(ONLY).unwrap_or_default();
    let adapters = mnasnet_gpu::adapters().into_iter();
    let adapters = adapters
        .filter(|adapter| adapter.device_name().contains(&wanted))
        .filter(|adapter| !wanted.is_empty() || !adapter.is_software());
    adapters.map(|adapter| adapter.open().unwrap()).collect()
});

/// Runs `check` on every device.
fn on_every_device(check: fn(&dyn Device)) {
    let wanted = std::env::var(ONLY).unwrap_or_default();
    let is_wanted = |name: &str| name.contains(&wanted);
    let mut devices: Vec<Box<dyn Device>> = Vec::new();
    for cpu in Cpu::all() {
        devices.push(Box::new(cpu));
    }
    for gpu in GPUS.iter() {
        devices.push(Box::new(gpu.clone()));
    }
    devices.retain(|device| is_wanted(&device.name()));
    assert!(!devices.is_empty(), "no device has `{wanted}` in its name");
    for device in devices {
        on(&*device, check);
    }
}

/// Runs `check` on the device that this machine would choose.
fn on_the_chosen_device(check: fn(&dyn Device)) {
    on(&Cpu::detect().unwrap(), check);
}

fn on(device: &dyn Device, check: fn(&dyn Device)) {
    println!("on {}", device.name());
    Pool::new(2).unwrap().install(|| check(device));
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
    let start = Snapshot::fresh(weights.clone(), OptimizerKind::Sgd.slots());
    Trainer::new(device, network, optimizer, &start, [batch, resolution], precision).unwrap()
}

macro_rules! suite {
    ($($devices:ident $module:ident: $($check:ident),+;)+) => {
        mod suite {
            $(mod $module {
                $(#[test]
                fn $check() {
                    crate::$devices(crate::$module::$check);
                })+
            })+
        }
    };
}

// Finite differences take a thousand steps: the chosen device has to do. Gradients of the others are held against float64 ones.
suite! {
    on_the_chosen_device derivatives: gradients_are_derivatives;
    on_every_device golden:
        evaluation_logits_equal_mindspores,
        three_training_steps_equal_mindspores;
    on_every_device properties:
        results_do_not_depend_on_the_number_of_threads,
        an_image_is_predicted_the_same_in_any_batch,
        a_batch_may_be_smaller_than_planned,
        bfloat16_is_float32_to_its_rounding,
        any_size_runs,
        memory_is_used_again,
        running_statistics_can_be_means_over_batches,
        a_snapshot_is_where_training_goes_on,
        computing_again_changes_memory_and_no_bit,
        wrong_calls_are_refused_with_a_sentence;
    on_every_device timm:
        b1_equals_timms,
        a1_at_an_odd_resolution_equals_timms,
        a1_at_another_width_equals_timms,
        small_equals_timms,
        b1_at_half_width_equals_torchvisions;
}
