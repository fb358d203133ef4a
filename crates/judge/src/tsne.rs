//! Vectors on a plane: t-SNE (van der Maaten and Hinton, 2008), exact, with scikit-learn's settings and start.
//!
//! Sums of a point are taken in the order of the others, so that the plane does not depend on the number of threads.

use mnasnet_engine::pool::{chunks_mut, for_each};

use crate::neighbours::Vectors;

/// Neighbours that count for a point, about.
const PERPLEXITY: f64 = 30.0;
/// Steps in all, and of them with exaggerated attraction.
const STEPS: usize = 1000;
const EARLY: usize = 250;
const EXAGGERATION: f32 = 12.0;
/// Spread of the start.
const START: f64 = 1e-4;
/// Points of a task.
const BLOCK: usize = 32;

/// A plane of points, and how well it shows what is near.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// A place for each vector.
    pub points: Vec<[f32; 2]>,
    /// Kullback-Leibler's divergence of the plane's nearness from the vectors'.
    pub divergence: f64,
}

/// Forces on a point.
#[derive(Clone, Copy, Default)]
struct Forces {
    pull: [f32; 2],
    push: [f32; 2],
    /// The point's part of the plane's nearness.
    near: f32,
}

/// Lays vectors on a plane, such that those that are near by their angles lie near. The pool that this is called in works. Time and memory
/// grow with the square of the number of vectors.
pub fn tsne(vectors: &Vectors) -> Plane {
    let count = vectors.len();
    let probabilities = probabilities(vectors);
    let mut points = start(vectors);
    let rate = (count as f32 / EXAGGERATION / 4.0).max(50.0);
    let mut speed = vec![[0.0f32; 2]; count];
    let mut gains = vec![[1.0f32; 2]; count];
    let mut forces = vec![Forces::default(); count];
    for step in 0..STEPS {
        let early = step < EARLY;
        let (pull, momentum) = if early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        measure(&points, &probabilities, &mut forces);
        let near: f64 = forces.iter().map(|force| f64::from(force.near)).sum();
        // One point alone is near none.
        let near = (near as f32).max(f32::MIN_POSITIVE);
        for at in 0..count {
            for axis in 0..2 {
                let slope = 4.0 * (pull * forces[at].pull[axis] - forces[at].push[axis] / near);
                let (gain, speed) = (&mut gains[at][axis], &mut speed[at][axis]);
                *gain = match (slope > 0.0) == (*speed > 0.0) {
                    true => *gain * 0.8,
                    false => *gain + 0.2,
                }
                .max(0.01);
                *speed = momentum * *speed - rate * *gain * slope;
                points[at][axis] += *speed;
            }
        }
    }
    let divergence = divergence(&points, &probabilities);
    Plane { points, divergence }
}

fn measure(points: &[[f32; 2]], probabilities: &[f32], forces: &mut [Forces]) {
    let count = points.len();
    for_each(chunks_mut(forces, BLOCK), |block, forces| {
        for (at, force) in (block * BLOCK..).zip(forces) {
            let [x, y] = points[at];
            let mut sum = Forces::default();
            for ([other_x, other_y], p) in points.iter().zip(&probabilities[at * count..][..count]) {
                let (dx, dy) = (x - other_x, y - other_y);
                let near = 1.0 / (1.0 + dx * dx + dy * dy);
                let (pull, push) = (p * near, near * near);
                sum.pull[0] += pull * dx;
                sum.pull[1] += pull * dy;
                sum.push[0] += push * dx;
                sum.push[1] += push * dy;
                sum.near += near;
            }
            // Itself is as near as can be, and does not count.
            sum.near -= 1.0;
            *force = sum;
        }
    });
}

fn divergence(points: &[[f32; 2]], probabilities: &[f32]) -> f64 {
    let count = points.len();
    let near = |a: usize, b: usize| {
        let [dx, dy] = [0, 1].map(|axis| f64::from(points[a][axis] - points[b][axis]));
        1.0 / (1.0 + dx * dx + dy * dy)
    };
    let pairs = || (0..count).flat_map(|a| (0..count).filter(move |b| *b != a).map(move |b| (a, b)));
    let all: f64 = pairs().map(|(a, b)| near(a, b)).sum();
    let part = |(a, b): (usize, usize)| {
        let p = f64::from(probabilities[a * count + b]).max(1e-12);
        p * (p / (near(a, b) / all).max(1e-12)).ln()
    };
    pairs().map(part).sum()
}

/// How near each two vectors are: probabilities `[count, count]`, the same both ways, whose sum is 1.
fn probabilities(vectors: &Vectors) -> Vec<f32> {
    let count = vectors.len();
    let perplexity = PERPLEXITY.min((count.saturating_sub(1)) as f64 / 3.0).max(1.0);
    let mut one_way = vec![0.0f32; count * count];
    for_each(chunks_mut(&mut one_way, count.max(1)), |at, row| {
        let distance = |other: usize| {
            let both = vectors.get(at).iter().zip(vectors.get(other));
            both.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        };
        let distances: Vec<f64> = (0..count).map(distance).collect();
        for (value, p) in row.iter_mut().zip(around(at, &distances, perplexity.ln())) {
            *value = p as f32;
        }
    });
    let mut both = vec![0.0f32; count * count];
    for_each(chunks_mut(&mut both, count.max(1)), |at, row| {
        for (other, value) in row.iter_mut().enumerate() {
            *value = (one_way[at * count + other] + one_way[other * count + at]) / (2 * count) as f32;
        }
    });
    both
}

/// Probabilities that fall with the squared distance from `at`, as fast as gives them this entropy.
fn around(at: usize, distances: &[f64], entropy: f64) -> Vec<f64> {
    let others = || distances.iter().enumerate().filter(|(other, _)| *other != at);
    // The nearest one has the power of 0.
    let least = others().map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut fall) = (0.0, f64::INFINITY, 1.0);
    let power = |distance: f64, fall: f64| (-(distance - least) * fall).exp();
    for _ in 0..100 {
        let (sum, moment) = others().fold((0.0, 0.0), |(sum, moment), (_, distance)| {
            let p = power(*distance, fall);
            (sum + p, moment + (distance - least) * p)
        });
        let found = f64::ln(sum) + fall * moment / sum;
        if (found - entropy).abs() < 1e-5 {
            break;
        }
        if found > entropy {
            low = fall;
            fall = if high.is_finite() {
                (fall + high) / 2.0
            } else {
                fall * 2.0
            };
        } else {
            high = fall;
            fall = (fall + low) / 2.0;
        }
    }
    let sum: f64 = others().map(|(_, distance)| power(*distance, fall)).sum();
    let of = |(other, distance): (usize, &f64)| if other == at { 0.0 } else { power(*distance, fall) / sum };
    distances.iter().enumerate().map(of).collect()
}

/// The vectors along their two directions of largest variance (power iteration), as small as t-SNE starts.
fn start(vectors: &Vectors) -> Vec<[f32; 2]> {
    let count = vectors.len();
    let channels = if count == 0 { 0 } else { vectors.get(0).len() };
    let mut mean = vec![0.0; channels];
    for at in 0..count {
        mean.iter_mut()
            .zip(vectors.get(at))
            .for_each(|(sum, value)| *sum += f64::from(*value) / count as f64);
    }
    let mut points = vec![[0.0f32; 2]; count];
    let mut first: Option<Vec<f64>> = None;
    let mut scale = 1.0;
    for axis in 0..2 {
        // Any direction that is not the other one's: numbers of a generator.
        let mut state = 1u32;
        let mut direction: Vec<f64> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        })
        .take(channels)
        .collect();
        let mut along = vec![0.0; count];
        for _ in 0..50 {
            if let Some(first) = &first {
                let shared: f64 = direction.iter().zip(first).map(|(a, b)| a * b).sum();
                direction
                    .iter_mut()
                    .zip(first)
                    .for_each(|(value, first)| *value -= shared * first);
            }
            let length = length(&direction);
            direction.iter_mut().for_each(|value| *value /= length);
            for (at, along) in along.iter_mut().enumerate() {
                let terms = vectors.get(at).iter().zip(&mean).zip(&direction);
                *along = terms.map(|((value, mean), by)| (f64::from(*value) - mean) * by).sum();
            }
            direction.fill(0.0);
            for (at, along) in along.iter().enumerate() {
                let terms = vectors.get(at).iter().zip(&mean).zip(&mut direction);
                terms.for_each(|((value, mean), sum)| *sum += (f64::from(*value) - mean) * along);
            }
        }
        let spread = (along.iter().map(|value| value * value).sum::<f64>() / count.max(1) as f64).sqrt();
        if axis == 0 {
            scale = START / spread.max(1e-300);
        }
        points
            .iter_mut()
            .zip(&along)
            .for_each(|(point, along)| point[axis] = (along * scale) as f32);
        let length = length(&direction);
        first = Some(direction.iter().map(|value| value / length).collect());
    }
    points
}

/// The length of a vector, above 0 so that what is divided by it stays a number.
fn length(vector: &[f64]) -> f64 {
    let squares: f64 = vector.iter().map(|value| value * value).sum();
    squares.sqrt().max(1e-300)
}
