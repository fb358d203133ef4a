// The gradients of gamma and beta, and the map from dZ and Y to dY: dY = a * (dZ - dbeta / m - xhat * dgamma / m). One workgroup makes
// all channels.
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;
var<workgroup> bounds: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let images = select(s.images, s.whole, is(SYNCED));
    let rows = f32(images) * f32(p.out_height * p.out_width);
    var bound = 0.0;
    for (var c = lane; c < p.c4_out; c += 64u) {
        let n = p.norm_out + c;
        let dz = vectors[n + 9u * p.c4_out];
        let centred = vectors[n + 10u * p.c4_out];
        let deviation = vectors[n + 3u * p.c4_out];
        if (is(OWN)) {
            for (var i = 0u; i < 4u; i++) {
                let channel = 4u * c + i;
                if (channel >= p.channels_out) { continue; }
                gradients[p.first + channel] = centred[i] * deviation[i];
                gradients[p.second + channel] = dz[i];
            }
        }
        if (is(MAP)) {
            let scale = vectors[n];
            let y_scale = -scale * deviation * (centred * deviation) / rows;
            vectors[n + 4u * p.c4_out] = scale;
            vectors[n + 5u * p.c4_out] = y_scale;
            vectors[n + 6u * p.c4_out] = -scale * dz / rows - y_scale * vectors[n + 2u * p.c4_out];
            // Hardly a value is 16 deviations from the mean. One that is has 5 bits more before it overflows.
            let each = abs(scale) * (vectors[n + 11u * p.c4_out] + (abs(dz) + 16.0 * abs(centred * deviation)) / rows);
            bound = max(bound, max(max(each.x, each.y), max(each.z, each.w)));
        }
    }
    bounds[lane] = bound;
    workgroupBarrier();
    if (lane > 0u || !is(MAP)) { return; }
    for (var i = 1u; i < 64u; i++) { bound = max(bound, bounds[i]); }
    // The power of two that brings the bound between 2^10 and 2^11. Where there is no bound, one.
    let exponent = (bitcast<u32>(bound) >> 23u) & 255u;
    let up = select(min(264u - exponent, 253u), 127u, exponent == 0u || exponent == 255u);
    let factor = vec2<f32>(bitcast<f32>(up << 23u), bitcast<f32>((254u - up) << 23u));
    vectors[p.norm_out + 12u * p.c4_out] = vec4<f32>(factor, 0.0, 0.0);
}
