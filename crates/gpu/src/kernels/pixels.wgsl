@group(0) @binding(5) var<storage, read> pixels: array<u32>;

fn value_at(image: u32, row: u32, column: i32, channel: u32) -> f32 {
    let is_in = column >= 0 && column < i32(p.width);
    let at = ((image * p.height + row) * p.width + select(0u, u32(column), is_in)) * p.channels_in + channel;
    let is_float = s.pixels_are_floats != 0u;
    let word = pixels[select(at >> 2u, at, is_float)];
    let byte = fma(s.scale[channel], f32((word >> ((at & 3u) * 8u)) & 255u), s.shift[channel]);
    return select(0.0, select(byte, bitcast<f32>(word), is_float), is_in);
}
