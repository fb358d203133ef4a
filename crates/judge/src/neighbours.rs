//! Which photos are alike by what a network makes of them: exact nearest neighbours by cosine similarity.

use std::collections::HashMap;

use mnasnet_engine::pool::{chunks_mut, for_each};

/// Vectors of photos, each of length 1.
#[derive(Clone, Debug, Default)]
pub struct Vectors {
    channels: usize,
    values: Vec<f32>,
}

/// Another photo and how alike both are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its place.
    pub index: u32,
    /// The cosine of the angle between both vectors.
    pub similarity: f32,
}

/// Nobody.
const NONE: Neighbour = Neighbour {
    index: u32::MAX,
    similarity: f32::NEG_INFINITY,
};

/// Vectors that are compared with all others at a time: they stay in the cache.
const BLOCK: usize = 32;

/// Numbers that are summed apart from each other, so that a compiler may put them into the lanes of a vector.
const LANES: usize = 16;

impl Vectors {
    /// Vectors of `channels` numbers.
    pub fn new(channels: usize) -> Self {
        Self {
            channels: channels.max(1),
            values: Vec::new(),
        }
    }

    /// Takes one more vector, of any length but for nothing, which stays nothing.
    pub fn push(&mut self, vector: &[f32]) {
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        self.values
            .extend(vector.iter().map(|value| (f64::from(*value) * factor) as f32));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.channels
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A vector.
    pub fn get(&self, index: usize) -> &[f32] {
        &self.values[index * self.channels..][..self.channels]
    }

    /// The `k` nearest others of each vector, the nearest first, `k` a vector: of equal ones those of a lower index. Fewer where there are
    /// fewer others. A vector of zeros has no direction: it has no neighbours, and is nobody's. The tasks of the pool that this is called in take blocks of vectors; `progress` is told of each block's size. Numbers
    /// of threads change nothing.
    pub fn nearest(&self, k: usize, progress: impl Fn(usize) + Sync) -> Vec<Vec<Neighbour>> {
        let mut found = vec![Vec::new(); self.len()];
        let points: Vec<bool> = (self.values.chunks_exact(self.channels))
            .map(|vector| vector.iter().any(|value| *value != 0.0))
            .collect();
        for_each(chunks_mut(&mut found, BLOCK), |block, found| {
            let first = block * BLOCK;
            found.iter_mut().for_each(|near| near.resize(k, NONE));
            for other in (0..self.len()).filter(|other| points[*other]) {
                let there = self.get(other);
                for (at, near) in found.iter_mut().enumerate() {
                    let similarity = dot(self.get(first + at), there);
                    if first + at != other && near.last().is_some_and(|last| similarity > last.similarity) {
                        let index = other as u32;
                        let place = near.partition_point(|before| before.similarity >= similarity);
                        near.pop();
                        near.insert(place, Neighbour { index, similarity });
                    }
                }
            }
            for (near, points) in found.iter_mut().zip(&points[first..]) {
                near.retain(|one| *points && *one != NONE);
            }
            progress(found.len());
        });
        found
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// A photo whose neighbours are of another class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Its place.
    pub index: u32,
    /// The class that most of its neighbours are of.
    pub class: u32,
    /// Neighbours of that class.
    pub votes: usize,
    /// Neighbours that were asked.
    pub of: usize,
    /// Mean similarity to those that are of that class.
    pub similarity: f32,
}

/// What it takes to judge a photo's label by the photo's neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Neighbours that are asked. A photo with fewer is not judged.
    pub neighbours: usize,
    /// How many of them must be of one other class. A photo is not judged either if its own class has fewer other photos with neighbours:
    /// these could not speak for it.
    pub votes: usize,
}

impl Verdict {
    /// Whether each photo is judged.
    pub fn judges(self, near: &[Vec<Neighbour>], labels: &[u32]) -> Vec<bool> {
        let mut of_class: HashMap<u32, usize> = HashMap::new();
        let compared = near.iter().zip(labels).filter(|(near, _)| !near.is_empty());
        compared.for_each(|(_, label)| *of_class.entry(*label).or_default() += 1);
        let is_judged = |(near, label): (&Vec<Neighbour>, &u32)| {
            near.len() >= self.neighbours && of_class.get(label).is_some_and(|count| *count > self.votes)
        };
        near.iter().zip(labels).map(is_judged).collect()
    }
}

/// Photos that are judged and most of whose neighbours are of one class that is not the photo's own: the surest first, by votes, and by
/// similarity where those are equal.
pub fn suspects(near: &[Vec<Neighbour>], labels: &[u32], verdict: Verdict) -> Vec<Suspect> {
    let judged = verdict.judges(near, labels);
    let mut found: Vec<Suspect> = (0..)
        .zip(near)
        .filter(|(index, _)| judged[*index as usize])
        .filter_map(|(index, near)| {
            let of = |class: u32| near.iter().filter(move |one| labels[one.index as usize] == class);
            let class = near.iter().map(|one| labels[one.index as usize]);
            // Of equally many the class of the nearer neighbour, which comes later in the reversed order.
            let class = class.rev().max_by_key(|class| of(*class).count())?;
            let votes = of(class).count();
            let suspect = Suspect {
                index,
                class,
                votes,
                of: near.len(),
                similarity: of(class).map(|one| one.similarity).sum::<f32>() / votes as f32,
            };
            (class != labels[index as usize] && votes >= verdict.votes).then_some(suspect)
        })
        .collect();
    found.sort_by(|a, b| b.votes.cmp(&a.votes).then(b.similarity.total_cmp(&a.similarity)));
    found
}

/// Pairs of photos that are alike by at least `similarity`, each once, the most alike first.
pub fn pairs(near: &[Vec<Neighbour>], similarity: f32) -> Vec<(u32, Neighbour)> {
    let all = (0..)
        .zip(near)
        .flat_map(|(index, near)| near.iter().map(move |one| (index, *one)));
    let holds = |(index, one): &(u32, Neighbour)| {
        let is_known = || near[one.index as usize].iter().any(|back| back.index == *index);
        // A pair that both know of is told once.
        one.similarity >= similarity && (one.index > *index || !is_known())
    };
    let mut pairs: Vec<(u32, Neighbour)> = all.filter(holds).collect();
    pairs.sort_by(|a, b| b.1.similarity.total_cmp(&a.1.similarity).then(a.0.cmp(&b.0)));
    pairs
}

#[cfg(test)]
mod tests {
    use mnasnet_engine::pool::Pool;

    use super::*;

    /// Numbers from a generator, so that no two vectors are alike.
    fn vectors(count: usize, channels: usize) -> Vectors {
        let mut state = 9u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut vectors = Vectors::new(channels);
        (0..count).for_each(|_| vectors.push(&(0..channels).map(|_| next()).collect::<Vec<_>>()));
        vectors
    }

    #[test]
    fn the_nearest_are_those_of_a_search_without_blocks() {
        let vectors = vectors(67, 35);
        let search = |threads: usize| Pool::new(threads).unwrap().install(|| vectors.nearest(5, |_| ()));
        let found = search(1);
        assert_eq!(found, search(3));
        for (index, near) in found.iter().enumerate() {
            let cosine = |other: usize| -> f64 {
                let both = vectors.get(index).iter().zip(vectors.get(other));
                both.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let mut all: Vec<usize> = (0..67).filter(|other| *other != index).collect();
            all.sort_by(|a, b| cosine(*b).total_cmp(&cosine(*a)));
            let places: Vec<usize> = near.iter().map(|one| one.index as usize).collect();
            assert_eq!(places, all[..5]);
            assert!((f64::from(near[0].similarity) - cosine(all[0])).abs() < 1e-5);
        }
        assert_eq!(vectors.nearest(100, |_| ())[3].len(), 66);
    }

    #[test]
    fn who_lies_among_others_is_suspected_and_copies_are_paired_once() {
        let mut vectors = Vectors::new(2);
        // Five to the right, five upwards, and one of the second class among the first.
        for angle in [0.0f32, 0.01, 0.02, 0.03, 0.04, 1.5, 1.51, 1.52, 1.53, 1.54, 0.021] {
            vectors.push(&[3.0 * angle.cos(), 3.0 * angle.sin()]);
        }
        vectors.push(&[0.0, 0.0]);
        let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0];
        let near = vectors.nearest(4, |_| ());
        let judged = |neighbours, votes| Verdict { neighbours, votes };
        let found = suspects(&near, &labels, judged(4, 3));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].index, found[0].class), (10, 0));
        assert_eq!((found[0].votes, found[0].of), (4, 4));
        // The vector of zeros has no neighbours, and is nobody's.
        assert!(near[11].is_empty() && near.iter().flatten().all(|one| one.index != 11));
        assert_eq!(
            judged(4, 3).judges(&near, &labels),
            [[true; 11].as_slice(), &[false]].concat()
        );
        // Nobody is judged by fewer neighbours, nor in a class that has fewer photos than could contradict.
        assert!(suspects(&near, &labels, judged(5, 3)).is_empty());
        let mut alone = labels;
        alone[10] = 2;
        assert!(suspects(&near, &alone, judged(4, 3)).is_empty());
        assert!(!judged(4, 3).judges(&near, &alone)[10]);
        let pairs = pairs(&near, 0.999_99);
        let close: Vec<(u32, u32)> = pairs.iter().map(|(index, one)| (*index, one.index)).collect();
        assert!(close.contains(&(2, 10)) && !close.contains(&(10, 2)), "{close:?}");
        assert!(close.iter().all(|(a, b)| (*a < 5 || *a == 10) == (*b < 5 || *b == 10)));
    }
}
