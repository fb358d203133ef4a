// Squeeze-excite's two layers, an image a workgroup. By image in `values`: means and factors at `gate` and `gate_end`, `4 * c4_in` floats
// each, what is between at `gate_hidden`, `4 * c4_out` floats. Here these places count floats.
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let means = p.gate + image * 4u * p.c4_in;
    let hidden = p.gate_hidden + image * 4u * p.c4_out;
    let factors = p.gate_end + image * 4u * p.c4_in;
    for (var j = lane; j < p.channels_out; j += 64u) {
        var sum = parameters[p.second + j];
        for (var c = 0u; c < p.channels_in; c++) { sum = fma(parameters[p.first + j * p.channels_in + c], values[means + c], sum); }
        values[hidden + j] = select(sum, 0.0, sum < 0.0);
    }
    storageBarrier();
    for (var c = lane; c < 4u * p.c4_in; c += 64u) {
        var factor = 0.0;
        if (c < p.channels_in) {
            var sum = parameters[p.fourth + c];
            for (var j = 0u; j < p.channels_out; j++) { sum = fma(parameters[p.third + c * p.channels_out + j], values[hidden + j], sum); }
            // Of what is no number, `exp` may make one.
            factor = select(1.0 / (1.0 + exp(-sum)), sum, (bitcast<u32>(sum) & 0x7fffffffu) > 0x7f800000u);
        }
        values[factors + c] = factor;
    }
}
