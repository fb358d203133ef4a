// The images: bytes that are normalised as they are loaded, or floats. Padding is zeros behind that.
@group(0) @binding(5) var<storage, read> pixels: array<u32>;

// A channel of a pixel, zero outside.
fn value_at(image: u32, row: i32, column: i32, channel: u32) -> f32 {
    // Without a sign what is negative is large. `&` and not `&&`, which branches.
    let is_in = (u32(row) < p.height) & (u32(column) < p.width);
    let pixel = select(0u, (image * p.height + u32(row)) * p.width + u32(column), is_in);
    let at = pixel * p.channels_in + channel;
    let is_float = s.pixels_are_floats != 0u;
    let word = pixels[select(at >> 2u, at, is_float)];
    let byte = fma(s.scale[channel], f32((word >> ((at & 3u) * 8u)) & 255u), s.shift[channel]);
    return select(0.0, select(byte, bitcast<f32>(word), is_float), is_in);
}
