//! Resizing: Pillow's antialiased filters and MindSpore's plain bilinear.

use serde::{Deserialize, Serialize};

/// How an image is resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Pillow's antialiased triangle filter (torchvision's default).
    Bilinear,
    /// Pillow's antialiased cubic, a = -0.5 (timm's usual choice).
    Bicubic,
    /// MindSpore's bilinear: half-pixel centres, two taps, no antialiasing, 11-bit fixed point.
    MindSpore,
}
