//! The weights and the images that the golden fixtures were made with, regenerated instead of stored.
//!
//! The fixtures come from a run of MindSpore's network with weights of 256 levels: tensor `k` of its weights-only
//! checkpoint holds hash values of seed `1000 + k`, scaled by its role. Only the running statistics were measured (in a
//! forward pass, then rounded to 7 bits), so they are stored, as bfloat16. A hash of all 4,425,360 values of the
//! checkpoint file proves the formula below.

use mnasnet_model::{Dialect, Network, Op, Place, Role, Tensor, Weights};

use crate::splitmix64;

/// Images of the fixed input.
pub const IMAGES: usize = 4;
/// Their side.
pub const SIDE: usize = 224;

/// The running means and variances in network order, the upper halves of their f32 bits, little-endian.
static BUFFERS: &[u8] = include_bytes!("../../engine/tests/fixtures/a_ckpt/seeded_buffers.bf16");

/// `n` unsigned 24-bit integers: the top bits of SplitMix64's output function over a Weyl sequence.
pub fn hash24(seed: u64, n: usize) -> impl Iterator<Item = u32> {
    (1..=n as u64).map(move |i| {
        let z = seed.wrapping_mul(splitmix64::GAMMA);
        (splitmix64::mix(z.wrapping_add(i.wrapping_mul(0xD134_2543_DE82_EF95))) >> 40) as u32
    })
}

/// 256 evenly spaced levels in (-1, 1), symmetric about 0; exact in f32.
fn levels(seed: u64, n: usize) -> impl Iterator<Item = f32> {
    hash24(seed, n).map(|k| ((k >> 16) as f32 - 127.5) / 128.0)
}

/// The fixtures' weights for `mnasnet-mindspore` at width 1 with 1000 classes.
pub fn seeded_weights(network: &Network) -> Weights {
    let mut parameters = vec![0.0; network.parameter_count()];
    for (k, (_, place)) in network.names(Dialect::MindSpore).unwrap().into_iter().enumerate() {
        if let Place::Parameter(id) = place {
            let tensor = &network.parameters[id];
            let hidden = feeds_relu_inside(network, id);
            for (i, level) in levels(1000 + k as u64, tensor.len()).enumerate() {
                parameters[tensor.offset + i] = value(tensor, hidden, i, level);
            }
        }
    }
    let buffers = BUFFERS
        .chunks_exact(2)
        .map(|half| f32::from_bits(u32::from_le_bytes([0, 0, half[0], half[1]])));
    Weights {
        parameters,
        buffers: buffers.collect(),
    }
}

/// Whether a batch norm's tensor feeds a ReLU before the head. Those shifts are mostly near 1.75, so that few
/// activations lie where rounding decides a ReLU's mask; every eighth channel still does.
fn feeds_relu_inside(network: &Network, id: usize) -> bool {
    network.nodes.iter().any(|node| match &node.op {
        Op::Conv(conv) => conv.relu && node.name != "conv_head" && (conv.gamma == id || conv.beta == id),
        _ => false,
    })
}

fn value(tensor: &Tensor, hidden: bool, i: usize, level: f32) -> f32 {
    match tensor.role {
        Role::Weight => {
            let fan_in: usize = tensor.shape[1..].iter().product();
            // The power of two nearest to He's uniform bound sqrt(6 / fan_in).
            level * (0.5 * (6.0 / fan_in as f32).log2()).round_ties_even().exp2()
        }
        Role::Bias => 0.25 * level,
        Role::Gamma if hidden => 0.5 + 0.25 * level,
        Role::Gamma => 1.0 + 0.5 * level,
        Role::Beta if hidden && !i.is_multiple_of(8) => 1.75 + 0.25 * level,
        Role::Beta => 0.5 * level,
        Role::Mean | Role::Variance => unreachable!("running statistics are buffers"),
    }
}

/// The fixtures' four images, `[4, 224, 224, 3]`: two triangular waves and noise, all multiples of 2^-15 in [-1, 1].
pub fn fixed_input() -> Vec<f32> {
    let noise: Vec<u32> = hash24(7, IMAGES * 3 * SIDE * SIDE).collect();
    let wave = |at: usize, period: usize| ((at * 128 / period) % 256).abs_diff(128) as i32;
    let mut values = Vec::with_capacity(noise.len());
    for image in 0..IMAGES {
        for y in 0..SIDE {
            for x in 0..SIDE {
                for c in 0..3 {
                    let (period_x, period_y) = (16 + 24 * c + 8 * image, 48 + 16 * ((c + image) % 3));
                    let base = wave(x, period_x) + wave(y, period_y) - 128;
                    // The noise was drawn channels first.
                    let noise = (noise[((image * 3 + c) * SIDE + y) * SIDE + x] >> 16) as i32 - 128;
                    values.push((base * 160 + noise * 80) as f32 / 32768.0);
                }
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use mnasnet_model::Variant;

    /// FNV-1a over the 32-bit words of all 263 tensors of MindSpore's checkpoint, in file order.
    const CHECKPOINT: u64 = 0x433e_ed18_05c1_2665;

    #[test]
    fn every_bit_is_the_checkpoints() {
        let network = Network::build(Variant::by_name("mnasnet-mindspore").unwrap(), 1.0, 1000, None).unwrap();
        let weights = seeded_weights(&network);
        let words = network
            .names(Dialect::MindSpore)
            .unwrap()
            .into_iter()
            .flat_map(|(_, place)| {
                let range = network.tensor(place).range();
                match place {
                    Place::Parameter(_) => &weights.parameters[range],
                    Place::Buffer(_) => &weights.buffers[range],
                }
            });
        let hash = words.fold(0xcbf2_9ce4_8422_2325, |h: u64, value| {
            (h ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(hash, CHECKPOINT);
    }

    #[test]
    fn input_has_the_fixtures_sums_and_ends() {
        let check: serde_json::Value =
            serde_json::from_str(include_str!("../../engine/tests/fixtures/a_ckpt/input_check.json")).unwrap();
        let input = fixed_input();
        // Sums of multiples of 2^-15 (their squares: 2^-30) of this size are exact in f64, in any order.
        let sum: f64 = input.iter().map(|&v| f64::from(v)).sum();
        let squares: f64 = input.iter().map(|&v| f64::from(v).powi(2)).sum();
        assert_eq!(Some(sum), check["sum"].as_f64());
        assert_eq!(Some(squares), check["sumsq"].as_f64());
        // The file lists channels-first order: the start of the first row's red, the end of the last row's blue.
        let ends = |key: &str| -> Vec<f32> {
            check[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap() as f32)
                .collect()
        };
        let first: Vec<f32> = (0..8).map(|x| input[x * 3]).collect();
        let last: Vec<f32> = (0..8).map(|x| input[input.len() - 1 - (7 - x) * 3]).collect();
        assert_eq!(first, ends("first8"));
        assert_eq!(last, ends("last8"));
    }
}
