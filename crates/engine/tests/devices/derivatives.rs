//! Gradients are derivatives, for every kind of unit.

use crate::properties::{build, step};
use mnasnet_engine::{Device, Precision};
use mnasnet_model::init::{Scheme, initialise};

/// Along its gradient a tensor's loss rises by the gradient's length. Measured by central differences of a float32 loss
/// across ReLU kinks: short distances drown in rounding, long ones cross kinks, so one of four has to agree to a tenth.
fn check_derivatives(device: &dyn Device, variant: &str, width: f64, images: usize, resolution: usize) {
    let network = build(variant, width);
    let weights = initialise(&network, Scheme::by_name("tensorflow").unwrap(), 5);
    let base = step(device, &network, &weights, [images, resolution], Precision::F32);
    let length = |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let largest = length(&base.gradients);
    let mut checked = 0;
    for tensor in &network.parameters {
        let slope = length(&base.gradients[tensor.range()]);
        if slope < 1e-3 * largest {
            continue; // Below what float32 differences can resolve.
        }
        let loss_at = |distance: f64| {
            let mut moved = weights.clone();
            for i in tensor.range() {
                moved.parameters[i] += (distance * f64::from(base.gradients[i]) / slope) as f32;
            }
            f64::from(
                step(device, &network, &moved, [images, resolution], Precision::F32)
                    .report
                    .loss,
            )
        };
        let measured = |distance: f64| (loss_at(distance) - loss_at(-distance)) / (2.0 * distance);
        let distances = [1e-3, 3e-4, 3e-3, 1e-4];
        let agrees = |&distance: &f64| (measured(distance) - slope).abs() < 0.1 * slope;
        assert!(
            distances.iter().any(agrees),
            "{variant} {}: {slope} computed, not measured",
            tensor.name
        );
        checked += 1;
    }
    assert!(
        checked * 2 > network.parameters.len(),
        "{variant}: only {checked} tensors had a gradient to check"
    );
}

pub fn gradients_are_derivatives(device: &dyn Device) {
    check_derivatives(device, "mnasnet-small", 0.5, 8, 96);
    check_derivatives(device, "mnasnet-a1", 0.25, 8, 97);
    check_derivatives(device, "mnasnet-mindspore", 0.25, 8, 96);
}
