//! t-SNE against scikit-learn's on the same vectors: `fixtures/tsne.py`.

use mnasnet_engine::pool::Pool;
use mnasnet_judge::neighbours::Vectors;
use mnasnet_judge::tsne::{Plane, tsne};
use mnasnet_testing::seeded::hash24;

const CHANNELS: usize = 16;
const CLUSTERS: usize = 6;

/// What scikit-learn 1.9.1 comes to, `method="exact"`: the script prints it.
const THEIRS: f64 = 0.252_028;

fn vectors(count: usize) -> Vectors {
    let numbers = |seed, count: usize| -> Vec<f32> {
        let numbers = hash24(seed, count * CHANNELS);
        numbers
            .map(|k| (f64::from(k) / f64::from(1 << 23) - 1.0) as f32)
            .collect()
    };
    let (noise, centres) = (numbers(5, count), numbers(6, CLUSTERS));
    let mut vectors = Vectors::new(CHANNELS);
    for (at, noise) in noise.chunks_exact(CHANNELS).enumerate() {
        let centre = &centres[at % CLUSTERS * CHANNELS..][..CHANNELS];
        let vector: Vec<f32> = centre
            .iter()
            .zip(noise)
            .map(|(centre, noise)| centre + 0.6 * noise)
            .collect();
        vectors.push(&vector);
    }
    vectors
}

fn on_threads(threads: usize, vectors: &Vectors) -> Plane {
    Pool::new(threads).unwrap().install(|| tsne(vectors))
}

#[test]
fn a_plane_is_as_good_as_scikit_learns_on_any_number_of_threads() {
    let vectors = vectors(240);
    let plane = on_threads(2, &vectors);
    assert!(
        plane.divergence < 1.05 * THEIRS && plane.divergence > 0.8 * THEIRS,
        "{}",
        plane.divergence
    );
    assert_eq!(plane, on_threads(1, &vectors));
    // Most of a point's nearest on the plane are among its nearest.
    let near = vectors.nearest(10, |_| ());
    let mut kept = 0;
    for (at, near) in near.iter().enumerate() {
        let apart = |other: usize| {
            let [dx, dy] = [0, 1].map(|axis| plane.points[at][axis] - plane.points[other][axis]);
            dx * dx + dy * dy
        };
        let mut order: Vec<usize> = (0..240).filter(|other| *other != at).collect();
        order.sort_by(|a, b| apart(*a).total_cmp(&apart(*b)));
        kept += near
            .iter()
            .filter(|one| order[..20].contains(&(one.index as usize)))
            .count();
    }
    assert!(kept as f64 > 0.6 * 2400.0, "{kept} of 2400");
}

#[test]
fn few_vectors_and_equal_ones_have_places() {
    for count in [0, 1, 2, 7] {
        let plane = tsne(&vectors(count));
        assert_eq!(plane.points.len(), count);
        assert!(
            plane.points.as_flattened().iter().all(|value| value.is_finite()),
            "{count}"
        );
    }
    let mut equal = Vectors::new(3);
    (0..20).for_each(|_| equal.push(&[1.0, 2.0, 3.0]));
    assert!(tsne(&equal).points.as_flattened().iter().all(|value| value.is_finite()));
}
