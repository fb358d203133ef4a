// The gradients of gamma and beta, and the map from dZ and Y to dY: dY = a * (dZ - dbeta / m - xhat * dgamma / m).
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= p.c4_out) { return; }
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
        let images = select(s.images, s.whole, is(SYNCED));
        let rows = f32(images) * f32(p.out_height * p.out_width);
        let scale = vectors[n];
        let y_scale = -scale * deviation * (centred * deviation) / rows;
        vectors[n + 4u * p.c4_out] = scale;
        vectors[n + 5u * p.c4_out] = y_scale;
        vectors[n + 6u * p.c4_out] = -scale * dz / rows - y_scale * vectors[n + 2u * p.c4_out];
    }
}
