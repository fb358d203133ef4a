// Moves an average: average += share * (value - average).
@group(0) @binding(3) var<storage, read_write> average: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x + id.z * FOLD * 64u;
    if (at >= p.count) { return; }
    average[at] += s.share * (values[at] - average[at]);
}
