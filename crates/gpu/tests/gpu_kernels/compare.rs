//! How far a device is from the reference.

use mnasnet_model::Tensor;

pub fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The norm of the difference over that of the reference. What is no number is no distance: it fails every bound.
pub fn apart(got: &[f32], want: &[f64], floor: f64) -> f64 {
    assert_eq!(got.len(), want.len());
    let difference = got.iter().zip(want).map(|(&got, want)| f64::from(got) - want);
    // Without a sign: what is no number has one at random.
    (norm(difference) / (norm(want.iter().copied()) + floor)).abs()
}

/// The tensor that is furthest from the reference, relative to its norm and a hundredth of all tensors' norm: a gradient that is zero but
/// for rounding has no digits of its own.
pub fn furthest<'a>(tensors: &'a [Tensor], got: &[f32], want: &[f64]) -> (f64, &'a str) {
    assert_eq!(got.len(), want.len());
    let floor = 0.01 * norm(want.iter().copied());
    let distances = tensors.iter().map(|tensor| {
        let distance = apart(&got[tensor.range()], &want[tensor.range()], floor);
        (distance, tensor.name.as_str())
    });
    // In this order what is no number is the largest of all.
    distances
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("a network has tensors")
}
