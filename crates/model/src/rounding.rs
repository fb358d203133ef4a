//! How a width multiplier rounds channels.

/// `channels * width` rounded to the nearest multiple of 8, at least 8, and never more than 10 % down: torchvision's
/// `_round_to_multiple_of` and timm's `make_divisible`. At width 1 channels are what they are.
pub fn scaled(channels: usize, width: f64) -> usize {
    if width == 1.0 {
        return channels;
    }
    let wanted = channels as f64 * width;
    let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * wanted {
        rounded + 8
    } else {
        rounded
    }
}
