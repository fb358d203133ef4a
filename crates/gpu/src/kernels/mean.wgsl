// Means over each image's pixels, for pooling (to the arena) or squeeze-excite (to the vectors): $TX columns of lanes.
#if POOL
@group(0) @binding(8) var<storage, read_write> out: array<vec4<f32>>;
#endif
var<workgroup> lanes: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let c = group.y * $TX + lane % $TX;
    let area = p.height * p.width;
    var sum = vec4<f32>();
    if (c < p.c4_in) {
        for (var i = lane / $TX; i < area; i += 64u / $TX) { sum += x_map(unpack(x[(image * area + i) * p.c4_in + c]), image, c); }
    }
    lanes[lane] = sum;
    workgroupBarrier();
    if (lane >= $TX || c >= p.c4_in) { return; }
    for (var i = lane + $TX; i < 64u; i += $TX) { sum += lanes[i]; }
#if POOL
    out[image * p.c4_in + c] = sum / f32(area);
#endif
#if SQUEEZE
    vectors[p.gate + image * p.c4_in + c] = sum / f32(area);
#endif
}
