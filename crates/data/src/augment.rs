//! Automatic augmentation: a table of operations, drawn anew for each photo.
//!
//! The same operations differ in their rounding, tables and centres between Pillow (what torchvision and timm train
//! with) and MindSpore (OpenCV beneath), so each has a file of its own; what they share lies in [`pixel`] and [`warp`].

mod mindspore;
mod pillow;
mod pixel;
mod policy;
mod warp;

pub use policy::Policy;

/// One operation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// Keeps the high `bits` of a byte.
    Posterize { bits: u32 },
    /// Inverts values in `low..=high`.
    Solarize { low: u8, high: u8 },
    /// Inverts every value.
    Invert,
    /// Stretches each channel to 0..255.
    AutoContrast,
    /// Flattens each channel's histogram.
    Equalize,
    /// Saturation: 0 is grey, 1 the photo.
    Color { factor: f64 },
    /// 0 is the mean grey, 1 the photo.
    Contrast { factor: f64 },
    /// 0 is smoothed, 1 the photo.
    Sharpness { factor: f64 },
    /// 0 is black, 1 the photo.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "in no policy yet; checked against golden images")
    )]
    Brightness { factor: f64 },
    /// Counter-clockwise about the centre, degrees.
    Rotate { degrees: f64 },
    /// Rows move by `tangent` pixels for each row below the origin (Pillow: the top, MindSpore: the middle).
    ShearX { tangent: f64 },
    /// Columns likewise.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "in no policy yet; checked against golden images")
    )]
    ShearY { tangent: f64 },
    /// Moves right and down, pixels.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "in no policy yet; checked against golden images")
    )]
    Translate { right: f64, down: f64 },
}

#[cfg(test)]
mod golden;
