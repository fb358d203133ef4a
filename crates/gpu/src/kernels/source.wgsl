// The values that a sweep reads: raw outputs through batch norm, ReLU and gate, or stored values as they are.
@group(0) @binding(5) var<storage, read_write> x: array<E>;

// The map of four channels, to be loaded once for all rows.
struct XMap { scale: vec4<f32>, shift: vec4<f32> }

fn x_map_of(c: u32) -> XMap { return XMap(vectors[p.norm_in + c], vectors[p.shift_in + c]); }

// The value behind what batch norm has made of a raw one.
fn x_of(z: vec4<f32>, image: u32, c: u32) -> vec4<f32> {
    let v = above(z, p.floor_in);
#if GATED
    return v * vectors[p.gate + image * p.c4_in + c];
#endif
#if OPEN
    return v;
#endif
}

fn x_value(at: u32, map: XMap, image: u32, c: u32) -> vec4<f32> {
    return x_of(fma(unpack(x[at]), map.scale, map.shift), image, c);
}
