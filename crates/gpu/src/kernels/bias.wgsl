// The classifier's bias, beside the vectors, with zeros where channels are rounded up.
@group(0) @binding(3) var<storage, read> parameters: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= p.c4_out) { return; }
    var v = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        if (4u * c + i < p.channels_out) { v[i] = parameters[p.first + 4u * c + i]; }
    }
    vectors[p.norm_out + c] = v;
}
