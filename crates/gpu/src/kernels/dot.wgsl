// The gradient of a gate: by image and channel, the sum of the gated value's gradient times what was gated.
@group(0) @binding(6) var<storage, read_write> gated: array<E>;
var<workgroup> lanes: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let c = group.y * $TX + lane % $TX;
    let area = p.height * p.width;
    var sum = vec4<f32>();
    if (c < p.c4_in) {
        for (var i = lane / $TX; i < area; i += 64u / $TX) {
            let at = (image * area + i) * p.c4_in + c;
            sum = fma(unpack(gated[at]), x_map(unpack(x[at]), image, c), sum);
        }
    }
    lanes[lane] = sum;
    workgroupBarrier();
    if (lane >= $TX || c >= p.c4_in) { return; }
    for (var i = lane + $TX; i < 64u; i += $TX) { sum += lanes[i]; }
    vectors[p.gate_end + image * p.c4_in + c] = sum;
}
