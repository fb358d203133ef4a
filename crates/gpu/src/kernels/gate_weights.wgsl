// The gradients of one of squeeze-excite's layers, `[outputs, inputs]` at `first` and `[outputs]` at `second`: a lane a value, which adds
// up the images. Output gradients are at `gate`, `4 * c4_out` floats an image, inputs at `gate_hidden`, `4 * c4_in` floats.
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x;
    let n = at / (p.channels_in + 1u);
    let k = at % (p.channels_in + 1u);
    if (n >= p.channels_out) { return; }
    var sum = 0.0;
    for (var i = 0u; i < s.images; i++) {
        var input = 1.0;
        if (k < p.channels_in) { input = values[p.gate_hidden + i * 4u * p.c4_in + k]; }
        sum = fma(values[p.gate + i * 4u * p.c4_out + n], input, sum);
    }
    if (k < p.channels_in) { gradients[p.first + n * p.channels_in + k] = sum; } else { gradients[p.second + n] = sum; }
}
