// The gradient of a convolution's raw output, from dZ and Y: dY = scale * dZ + y_scale * Y + shift.
@group(0) @binding(6) var<storage, read_write> dz: array<E>;
#if NORMALISED
@group(0) @binding(7) var<storage, read_write> y: array<E>;
#endif

fn dy(at: u32, c: u32) -> vec4<f32> {
#if LAST
    return unpack(dz[at]);
#endif
#if NORMALISED
    let n = p.norm_out + c;
    return fma(unpack(dz[at]), vectors[n + 4u * p.c4_out], fma(unpack(y[at]), vectors[n + 5u * p.c4_out], vectors[n + 6u * p.c4_out]));
#endif
}
