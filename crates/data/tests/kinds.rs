//! Images of every kind that the formats allow have the pixels that Pillow gives them, or are refused with a sentence.

use std::path::{Path, PathBuf};

use mnasnet_data::decode;

/// Size and FNV-1a of the pixels; else the error's sentence.
fn verdict(bytes: &[u8]) -> Result<String, String> {
    let image = decode(bytes).map_err(|error| error.to_string())?;
    let digest = image.pixels.iter().fold(0xcbf2_9ce4_8422_2325, |digest: u64, &byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    Ok(format!("{}x{} {digest:016x}", image.width, image.height))
}

/// Holds each file of a folder against its line in `kinds.txt`. `refused` are those that Pillow reads and we do not, with our
/// sentence; `read` those that we read and Pillow does not.
fn compare(folder: &str, ending: &str, refused: &[(&str, &str)], read: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/kinds")
        .join(folder);
    let table = std::fs::read_to_string(folder.join("kinds.txt")).unwrap();
    let mut wrong = Vec::new();
    for line in table.lines() {
        let (name, pillow) = line.split_once(' ').unwrap();
        let path: PathBuf = folder.join(format!("{name}{ending}"));
        let ours = verdict(&std::fs::read(&path).unwrap());
        let right = match (refused.iter().find(|refusal| refusal.0 == name), &ours) {
            (Some((_, sentence)), Err(ours)) => sentence == ours,
            (Some(_), Ok(_)) => false,
            (None, Ok(ours)) => pillow == ours || read.contains(&name),
            (None, Err(_)) => pillow == "refused",
        };
        if !right {
            wrong.push(format!("{name}: Pillow {pillow}, here {ours:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        table.lines().count(),
        wrong.join("\n")
    );
}

#[test]
fn jpegs() {
    let refused = [
        (
            "420.arithmetic",
            "unsupported JPEG with arithmetic coding; those with Huffman coding and 8 bits are read",
        ),
        // Pillow shows grey for a colour that never came, and the second one of two.
        ("420.lacks_one", "broken JPEG: one of its colours is missing"),
        ("420.twice", "broken JPEG: a colour comes twice"),
        // libjpeg smooths the edges of blocks.
        ("420.lacks_low_bits", "broken JPEG: scans are missing"),
    ];
    compare("jpeg", ".jpg", &refused, &[]);
}

#[test]
fn others() {
    compare("other", "", &[], &["bits_32.other_masks.bmp", "runs_8.moves.bmp"]);
}

#[test]
fn through_the_image_crate() {
    let palette = "unsupported format TIFF of a kind that is not read (palette, floating-point numbers, rare compression) (read are \
                   JPEG, PNG, WebP, BMP, GIF, TIFF and PNM); save it as JPEG or PNG";
    compare("more", "", &[("palette.tif", palette)], &[]);
}
