// The gradient of the classifier's bias: the sum of the logits' gradients.
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> dz: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= p.channels_out) { return; }
    var sum = 0.0;
    for (var i = 0u; i < s.images; i++) { sum += dz[i * 4u * p.c4_out + c]; }
    gradients[p.first + c] = sum;
}
