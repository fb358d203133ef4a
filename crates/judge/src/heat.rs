//! Where a network looks: class-activation maps and Grad-CAM.
//!
//! A network ends in the mean of its last map over positions, and in a classifier. So the classifier's weights of a class, applied at each
//! position, say exactly how much the position speaks for the class: the mean of that map and the class's bias are the logit (CAM; Zhou et
//! al., 2016, arXiv:1512.04150). For a value further inside, the weights are the mean derivatives of the logit by the value's channels
//! (Grad-CAM; Selvaraju et al., 2017, arXiv:1610.02391).

use mnasnet_engine::derivative::Derivative;
use mnasnet_model::{Network, Op, Shape, ValueId, Weights};

/// How much each position speaks for a class, in logits.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// A number a position, row by row.
    pub values: Vec<f32>,
}

impl HeatMap {
    /// The class-activation map: `map`, `[height, width, channels]`, through a class's row of the classifier. The mean over positions, with
    /// the class's bias, is the logit.
    pub fn of_class(network: &Network, weights: &Weights, (map, shape): (&[f32], Shape), class: usize) -> Self {
        let row: &[f32] = match network.nodes.last().map(|node| &node.op) {
            Some(Op::Linear(linear)) => {
                let all = network.parameter(&weights.parameters, linear.weight);
                all.get(class * linear.c_in..(class + 1) * linear.c_in)
                    .unwrap_or_default()
            }
            _ => &[],
        };
        Self::weighted(map, shape, row)
    }

    /// Grad-CAM of a value, by the derivative of the class's logit: each channel weighs as its derivative does on the mean.
    pub fn of_value(
        Derivative {
            shape,
            value,
            derivative,
            ..
        }: &Derivative,
    ) -> Self {
        let mut weights = vec![0.0; shape.channels];
        for pixel in derivative.chunks_exact(shape.channels) {
            weights.iter_mut().zip(pixel).for_each(|(sum, by)| *sum += by);
        }
        let area = (shape.height * shape.width) as f32;
        weights.iter_mut().for_each(|sum| *sum /= area);
        Self::weighted(value, *shape, &weights)
    }

    fn weighted(map: &[f32], shape: Shape, weights: &[f32]) -> Self {
        let pixel = |pixel: &[f32]| pixel.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        Self {
            height: shape.height,
            width: shape.width,
            values: map.chunks_exact(shape.channels).map(pixel).collect(),
        }
    }

    /// The part that speaks for the class, from 0 to 1, on `side` x `side` pixels: what is negative is 0, the least is taken off, the
    /// largest is 1, straight lines between positions. All is 0 where nothing speaks for it.
    pub fn shown(&self, side: usize) -> Vec<f32> {
        let positive = Self {
            values: self.values.iter().map(|value| value.max(0.0)).collect(),
            ..*self
        };
        let mut small = positive;
        to_one(&mut small.values);
        let mut large = small.resized(side);
        to_one(&mut large);
        large
    }

    /// Straight lines between the positions' middles; the outermost positions go on to the edge.
    fn resized(&self, side: usize) -> Vec<f32> {
        let at = |pixel: usize, of: usize| {
            let place = (pixel as f32 + 0.5) * of as f32 / side as f32 - 0.5;
            let place = place.clamp(0.0, (of - 1) as f32);
            let low = place.floor() as usize;
            (low, (low + 1).min(of - 1), place - low as f32)
        };
        let mut pixels = Vec::with_capacity(side * side);
        for y in 0..side {
            let (top, bottom, down) = at(y, self.height);
            for x in 0..side {
                let (left, right, along) = at(x, self.width);
                let row = |row: usize| {
                    let of = |column: usize| self.values[row * self.width + column];
                    of(left) * (1.0 - along) + of(right) * along
                };
                pixels.push(row(top) * (1.0 - down) + row(bottom) * down);
            }
        }
        pixels
    }
}

/// Takes the least off, and divides by the largest.
fn to_one(values: &mut [f32]) {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    values.iter_mut().for_each(|value| *value -= least);
    let largest = values.iter().copied().fold(0.0, f32::max);
    if largest > 0.0 {
        values.iter_mut().for_each(|value| *value /= largest);
    }
}

/// The names by which a value of `network` can be chosen, from the image on: those of its nodes, and those of whole blocks and stages.
pub fn layers(network: &Network) -> Vec<String> {
    let convolved = |node: &&mnasnet_model::Node| !matches!(node.op, Op::Pool | Op::Dropout { .. } | Op::Linear(_));
    let mut names: Vec<String> = Vec::new();
    for node in network.nodes.iter().filter(convolved) {
        let name = match node.name.strip_prefix("blocks.") {
            // blocks.STAGE.BLOCK.NODE
            Some(rest) => format!("blocks.{}", rest.split('.').take(2).collect::<Vec<_>>().join(".")),
            None => node.name.clone(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}

/// The value that a name means: the result of the node of that name, or of the last node of that block or stage.
pub fn layer(network: &Network, name: &str) -> Option<ValueId> {
    let part = format!("{name}.");
    let is_meant = |node: &mnasnet_model::Node| node.name == name || node.name.starts_with(&part);
    let last = network.nodes.iter().rposition(is_meant)?;
    let is_map = !matches!(network.nodes[last].op, Op::Pool | Op::Dropout { .. } | Op::Linear(_));
    is_map.then_some(last + 1)
}

/// Seventeen of the 256 colours of viridis, a map of perceptually even steps (Smith, van der Walt and Firing, 2015; CC0).
const VIRIDIS: [[u8; 3]; 17] = [
    [68, 1, 84],
    [72, 24, 106],
    [71, 45, 123],
    [66, 64, 134],
    [59, 82, 139],
    [51, 99, 141],
    [44, 114, 142],
    [38, 130, 142],
    [33, 145, 140],
    [31, 160, 136],
    [40, 174, 128],
    [63, 188, 115],
    [94, 201, 98],
    [132, 212, 75],
    [173, 220, 48],
    [216, 226, 25],
    [253, 231, 37],
];

/// The colour of a number from 0 to 1.
pub fn colour(value: f32) -> [u8; 3] {
    let place = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f32;
    let low = (place as usize).min(VIRIDIS.len() - 2);
    let along = place - low as f32;
    [0, 1, 2].map(|c| {
        let [from, to] = [low, low + 1].map(|at| f32::from(VIRIDIS[at][c]));
        (from + (to - from) * along).round() as u8
    })
}

/// Lays a map over a photo of bytes `[side, side, 3]`, in its place: half the photo in grey, half the map's colours.
pub fn overlay(photo: &mut [u8], heat: &[f32]) {
    let (pixels, _) = photo.as_chunks_mut::<3>();
    for (pixel, heat) in pixels.iter_mut().zip(heat) {
        let [red, green, blue] = pixel.map(u32::from);
        // ITU-R BT.601, as Pillow's grey.
        let grey = (299 * red + 587 * green + 114 * blue) / 1000;
        *pixel = colour(*heat).map(|colour| (grey + u32::from(colour)).div_ceil(2) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_grows_by_straight_lines_from_nothing_to_one() {
        let heat = |values: &[f32]| HeatMap {
            height: 1,
            width: values.len(),
            values: values.to_vec(),
        };
        // Middles lie at 1 and 3 of 4: in between at a quarter and three quarters.
        assert_eq!(heat(&[-5.0, 2.0]).shown(4)[..4], [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(heat(&[3.0, 3.0]).shown(2), [0.0; 4]);
        assert_eq!(heat(&[-1.0, -2.0]).shown(3), [0.0; 9]);
    }

    #[test]
    fn colours_are_viridis() {
        // matplotlib 3.11's viridis(i). Straight lines between the seventeen are off by 5.3 of 255 at most.
        for (at, expected) in [
            (0, [68, 1, 84]),
            (37, [70, 51, 127]),
            (100, [42, 118, 142]),
            (200, [112, 207, 87]),
            (255, [253, 231, 37]),
        ] {
            let found = colour(at as f32 / 255.0);
            let apart = (0..3).map(|c| found[c].abs_diff(expected[c])).max();
            assert!(apart <= Some(5), "{at}: {found:?} {expected:?}");
        }
    }
}
