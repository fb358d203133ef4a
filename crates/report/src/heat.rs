//! Small pictures of photos with what speaks for a class, and a plane of photos: what a network is shown again for.

use std::collections::BTreeMap;
use std::sync::Arc;

use mnasnet_data::{BadImages, Dataset, EvalTransform, Interpolation, RgbImage};
use mnasnet_judge::heat::{HeatMap, overlay};
use mnasnet_judge::neighbours::Vectors;
use mnasnet_judge::tsne::{Plane, tsne};
use mnasnet_judge::vectors::Subject;

use crate::error::ReportError;
use crate::thumbnails::{SIDE, Thumbnails, picture};

/// Pictures of the photos in these places with what speaks for a class, the photo's place among the network's classes: by the photo's place
/// in the set. The pool that this is called in computes.
///
/// # Errors
/// Where the set cannot be read, or the network has no room.
pub fn pictures(
    subject: &Subject,
    dataset: &Dataset,
    classes: &BTreeMap<u32, usize>,
) -> Result<Thumbnails, ReportError> {
    let places: Vec<u32> = classes.keys().copied().collect();
    let small = EvalTransform {
        resolution: SIDE,
        resize: SIDE,
        interpolation: Interpolation::Bilinear,
    };
    let mut drawn = Thumbnails::new();
    look(subject, dataset, &places, |place, pixels, features| {
        let heat = HeatMap::of_class(subject.network, subject.weights, features, classes[&place]);
        let side = subject.preprocessing.resolution;
        let mut photo = small.apply(&RgbImage {
            width: side,
            height: side,
            pixels: pixels.to_vec(),
        });
        overlay(&mut photo.pixels, &heat.shown(SIDE));
        drawn.insert(place, picture(&photo.pixels)?);
        Ok(())
    })?;
    Ok(drawn)
}

/// A plane of the photos in these places, in their order, by t-SNE.
///
/// # Errors
/// As [`pictures`].
pub fn plane(subject: &Subject, dataset: &Dataset, places: &[u32]) -> Result<Plane, ReportError> {
    let mut vectors: Option<Vectors> = None;
    look(subject, dataset, places, |_, _, (map, shape)| {
        let area = (shape.height * shape.width) as f32;
        let mut mean = vec![0.0; shape.channels];
        for pixel in map.chunks_exact(shape.channels) {
            mean.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value / area);
        }
        vectors.get_or_insert_with(|| Vectors::new(shape.channels)).push(&mean);
        Ok(())
    })?;
    Ok(tsne(&vectors.unwrap_or_default()))
}

/// An image's last map, and the map's shape.
type Map<'a> = (&'a [f32], mnasnet_model::Shape);

/// Shows the photos in these places to the network; what cannot be read is grey.
fn look(
    subject: &Subject,
    dataset: &Dataset,
    places: &[u32],
    mut take: impl FnMut(u32, &[u8], Map) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    if places.is_empty() {
        return Ok(());
    }
    let shown = Dataset {
        samples: places.iter().map(|&place| dataset.samples[place as usize]).collect(),
        bad_images: BadImages::Replace,
        // A cache has places for the whole set.
        cache: None,
        ..dataset.clone()
    };
    let image = subject.preprocessing.resolution.pow(2) * 3;
    subject.look(Arc::new(shown), |features, batch| {
        let maps = features.map.chunks_exact(features.shape.len());
        for ((at, pixels), map) in batch.indices.iter().zip(batch.pixels.chunks_exact(image)).zip(maps) {
            take(places[*at as usize], pixels, (map, features.shape))?;
        }
        Ok::<_, ReportError>(())
    })?;
    Ok(())
}
