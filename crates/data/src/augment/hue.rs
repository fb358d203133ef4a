//! Hue as torchvision's `adjust_hue` turns it: through Pillow's HSV of three bytes, its roundings included.

use crate::RgbImage;

/// Turns the hue of every pixel by a part of the circle, -0.5 to 0.5.
pub(super) fn turn(image: &mut RgbImage, turn: f64) {
    let shift = (turn * 255.0) as i32 as u8;
    let (pixels, _) = image.pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        let [h, s, v] = hsv(*pixel);
        *pixel = rgb([h.wrapping_add(shift), s, v]);
    }
}

/// Pillow's `rgb2hsv`: single precision where it stores, double where it computes; truncated.
fn hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let [rc, gc, bc] = [r, g, b].map(|v| f32::from(most - v) / range);
    let hue = if r == most {
        bc - gc
    } else if g == most {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    let saturation = range / f32::from(most);
    // A cast from a float truncates and saturates.
    [
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        most,
    ]
}

/// Pillow's `hsv2rgb`.
fn rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixth = f64::from(h) * 6.0 / 255.0;
    let sector = sixth.floor();
    let part = f64::from((sixth - sector) as f32);
    let (value, saturation) = (f64::from(v), f64::from((f64::from(s) / 255.0) as f32));
    let rounded = |share: f64| (value * (1.0 - share)).round() as u8;
    let p = rounded(saturation);
    let q = rounded(saturation * part);
    let t = rounded(saturation * (1.0 - part));
    match sector as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
