//! A quick look at a set's images before work begins: what can be seen of a header, or of an end that is not there, need not end a
//! run in the middle.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::decode::looks_readable;
use crate::{DataError, Dataset};

/// The most images that are looked at. Of a larger set they are spread over all of it.
const IMAGES: usize = 10_000;

/// The longest time that it takes.
const TIME: Duration = Duration::from_secs(5);

/// Looks at the header of each image, or of as many as there is time for; one that seems cut short is decoded.
///
/// # Errors
/// [`DataError::BadImage`] of the first one that cannot be read; the source's where it is not about one image.
pub fn glance(dataset: &Dataset) -> Result<(), DataError> {
    let (all, end) = (dataset.samples.len(), Instant::now() + TIME);
    let looked = all.min(IMAGES);
    let found = (0..looked).into_par_iter().map_init(Vec::new, |bytes, number| {
        if Instant::now() > end {
            return Ok(());
        }
        let index = (number * all / looked) as u32;
        dataset.read(index, bytes)?;
        looks_readable(bytes).map_err(|source| DataError::Image {
            path: dataset.name(index),
            source,
        })
    });
    match found.find_map_first(Result::err) {
        None => Ok(()),
        Some(error) if error.is_bad_image() => Err(DataError::BadImage(Box::new(error))),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Split, locate};

    #[test]
    fn the_first_bad_image_is_told_by_header_or_end() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("train/cat");
        fs::create_dir_all(&class).unwrap();
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let files = [
            "jpeg/420.jpg",
            "kinds/other/rgb_8.png",
            "kinds/other/lossy.webp",
            "kinds/other/bits_24.bmp",
        ];
        let files = files.map(|name| (name, fs::read(fixtures.join(name)).unwrap()));
        let look = || glance(&locate(folder.path(), Split::Train, None).unwrap().open().unwrap());
        let place = |name: &str| class.join(name.rsplit('/').next().unwrap());
        for (name, bytes) in &files {
            fs::write(place(name), bytes).unwrap();
        }
        look().unwrap();
        for (name, bytes) in &files[..3] {
            for cut in [1, bytes.len() / 2, bytes.len() - 30] {
                fs::write(place(name), &bytes[..bytes.len() - cut]).unwrap();
                // What lacks the last byte may have all pixels.
                match look() {
                    Ok(()) => assert_eq!(cut, 1, "{name}"),
                    Err(error) => {
                        let error = error.to_string();
                        assert!(
                            error.contains(place(name).to_str().unwrap()) && error.contains("`--bad-images`"),
                            "{error}"
                        );
                    }
                }
            }
            fs::write(place(name), bytes).unwrap();
        }
        // Whole files, but no images.
        fs::write(class.join("a.jpg"), b"hello").unwrap();
        fs::write(class.join("b.jpg"), b"").unwrap();
        let error = look().unwrap_err().to_string();
        assert!(error.contains("a.jpg: not an image"), "{error}");
    }
}
