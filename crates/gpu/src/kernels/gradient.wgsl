// The gradient of a convolution's raw output, from dZ and Y: dY = scale * dZ + y_scale * Y + shift.
@group(0) @binding(6) var<storage, read_write> dz: array<E>;
#if NORMALISED
@group(0) @binding(7) var<storage, read_write> y: array<E>;
#endif

// The map of four channels, to be loaded once for all rows.
struct DyMap { scale: vec4<f32>, y_scale: vec4<f32>, shift: vec4<f32> }

fn dy_map_of(c: u32) -> DyMap {
    let n = p.norm_out + c;
#if LAST
    return DyMap();
#endif
#if NORMALISED
    return DyMap(vectors[n + 4u * p.c4_out], vectors[n + 5u * p.c4_out], vectors[n + 6u * p.c4_out]);
#endif
}

#if NORMALISED
// A power of two that brings this layer's largest dY near the top of float16, and what undoes it.
fn factor_of_dy() -> vec2<f32> { return vectors[p.norm_out + 12u * p.c4_out].xy; }
#endif

fn dy(at: u32, map: DyMap) -> vec4<f32> {
#if LAST
    return unpack(dz[at]);
#endif
#if NORMALISED
    return fma(unpack(dz[at]), map.scale, fma(unpack(y[at]), map.y_scale, map.shift));
#endif
}
