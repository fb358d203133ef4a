// Squeeze-excite's layers backward, an image a workgroup. In `values`: the gate's gradient at `gate`, which becomes that of what the
// sigmoid takes; the gate at `gate_end`; what is between at `gate_hidden`, its gradient at `partials`; the means' gradient at
// `weight_partials`. Here these places count floats.
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let wide = image * 4u * p.c4_in;
    let narrow = image * 4u * p.c4_out;
    for (var c = lane; c < p.channels_in; c += 64u) {
        let factor = values[p.gate_end + wide + c];
        values[p.gate + wide + c] *= factor * (1.0 - factor);
    }
    storageBarrier();
    for (var j = lane; j < p.channels_out; j += 64u) {
        var sum = 0.0;
        for (var c = 0u; c < p.channels_in; c++) { sum = fma(parameters[p.third + c * p.channels_out + j], values[p.gate + wide + c], sum); }
        values[p.partials + narrow + j] = select(0.0, sum, values[p.gate_hidden + narrow + j] > 0.0);
    }
    storageBarrier();
    for (var c = lane; c < 4u * p.c4_in; c += 64u) {
        var sum = 0.0;
        if (c < p.channels_in) {
            for (var j = 0u; j < p.channels_out; j++) { sum = fma(parameters[p.first + j * p.channels_in + c], values[p.partials + narrow + j], sum); }
        }
        values[p.weight_partials + wide + c] = sum;
    }
}
