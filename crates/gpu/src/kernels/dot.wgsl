// The gradient of a gate: by image and channel, the sum of the gated value's gradient times what was gated.
@group(0) @binding(6) var<storage, read_write> gated: array<E>;
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
        for (var i = lane / p.columns; i < area; i += 64u / p.columns) {
            let at = (image * area + i) * p.c4_in + c;
            sum = fma(unpack(gated[at]), x_value(at, map, image, c), sum);
        }
    }
    lanes[lane] = sum;
    workgroupBarrier();
    if (lane >= p.columns || c >= p.c4_in) { return; }
    for (var i = lane + p.columns; i < 64u; i += p.columns) { sum += lanes[i]; }
    vectors[p.gate_end + image * p.c4_in + c] = sum;
}
