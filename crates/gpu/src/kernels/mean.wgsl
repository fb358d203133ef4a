// Means over each image's pixels, for pooling (to the arena) or squeeze-excite (to the vectors).
#if POOL
@group(0) @binding(8) var<storage, read_write> out: array<vec4<f32>>;
#endif
var<workgroup> lanes: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let c = group.y * p.columns + lane % p.columns;
    let area = p.height * p.width;
    let map = x_map_of(min(c, p.c4_in - 1u));
    var sum = vec4<f32>();
    if (c < p.c4_in) {
        for (var i = lane / p.columns; i < area; i += 64u / p.columns) { sum += x_value((image * area + i) * p.c4_in + c, map, image, c); }
    }
    lanes[lane] = sum;
    workgroupBarrier();
    if (lane >= p.columns || c >= p.c4_in) { return; }
    for (var i = lane + p.columns; i < 64u; i += p.columns) { sum += lanes[i]; }
#if POOL
    out[image * p.c4_in + c] = sum / f32(area);
#endif
#if SQUEEZE
    vectors[p.gate + image * p.c4_in + c] = sum / f32(area);
#endif
}
