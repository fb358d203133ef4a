//! Small pictures of photos, as texts that a page holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mnasnet_data::{BadImages, Batch, Dataset, Loader, Preprocessing};

use crate::error::ReportError;

/// Side of a picture, pixels.
pub const SIDE: usize = 128;
/// Quality of the JPEG.
const QUALITY: u8 = 80;
/// Photos that are read at a time.
const BATCH: usize = 16;

/// Addresses `data:` of pictures by the photo's place in the set.
pub type Thumbnails = BTreeMap<u32, String>;

/// Pictures of the photos in these places: what the model sees of a photo that goes through `preprocessing`, smaller. A photo that
/// cannot be read is grey.
///
/// # Errors
/// Where the set cannot be read.
pub fn thumbnails(
    dataset: &Dataset,
    preprocessing: &Preprocessing,
    places: &[u32],
    workers: usize,
) -> Result<Thumbnails, ReportError> {
    let mut places: Vec<u32> = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let mut pictures = Thumbnails::new();
    if places.is_empty() {
        return Ok(pictures);
    }
    let mut small = preprocessing.clone();
    small.resize_to(SIDE);
    // What is not resized would be a part of the photo.
    if small.resize == 0 {
        small.resize = SIDE;
    }
    let shown = Dataset {
        samples: places.iter().map(|&place| dataset.samples[place as usize]).collect(),
        bad_images: BadImages::Replace,
        // A cache has places for the whole set.
        cache: None,
        ..dataset.clone()
    };
    let mut loader = Loader::eval(Arc::new(shown), small.eval_transform(), BATCH, workers)?;
    let mut batch = Batch::default();
    while loader.read_into(&mut batch)? {
        let pixels = batch.pixels.chunks_exact(SIDE * SIDE * 3);
        for (&at, pixels) in batch.indices.iter().zip(pixels) {
            pictures.insert(places[at as usize], picture(pixels)?);
        }
    }
    Ok(pictures)
}

/// The address `data:` of a picture of bytes `[SIDE, SIDE, 3]`.
pub(crate) fn picture(pixels: &[u8]) -> Result<String, ReportError> {
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, QUALITY);
    let side = SIDE as u16;
    let encoded = encoder.encode(pixels, side, side, jpeg_encoder::ColorType::Rgb);
    encoded.map_err(|error| ReportError::table("pictures")(&error))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg)))
}
