// The values that a sweep reads: raw outputs through batch norm, ReLU and gate, or stored values as they are.
@group(0) @binding(5) var<storage, read_write> x: array<E>;

fn x_map(raw: vec4<f32>, image: u32, c: u32) -> vec4<f32> {
    let v = above(fma(raw, vectors[p.norm_in + c], vectors[p.shift_in + c]), p.floor_in);
#if GATED
    return v * vectors[p.gate + image * p.c4_in + c];
#endif
#if OPEN
    return v;
#endif
}
