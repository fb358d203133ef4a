// Multiplies all gradients by a factor.
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x + id.z * FOLD * 64u;
    if (at >= p.count) { return; }
    gradients[at] *= s.factor;
}
