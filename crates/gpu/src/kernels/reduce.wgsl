// Adds the strips of a weight's gradient, in order. Many strips: eight lanes a vec4, eight vec4 a workgroup. Few: a lane a vec4.
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;
#if MANY
var<workgroup> lanes: array<vec4<f32>, 64>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // A fixed count, or so many of each tile that this call has run.
    let strips = select(p.strips, (s.images * p.second + p.strip - 1u) / p.strip * p.strips, p.second > 0u);
    var sum = vec4<f32>();
#if MANY
    let at = (group.x + group.z * FOLD) * 8u + lane / 8u;
    if (at < p.count) {
        for (var strip = lane % 8u; strip < strips; strip += 8u) { sum += scratch[p.weight_partials + strip * p.count + at]; }
    }
    lanes[lane] = sum;
    workgroupBarrier();
    if (lane % 8u > 0u || at >= p.count) { return; }
    for (var i = 1u; i < 8u; i++) { sum += lanes[lane + i]; }
#endif
#if FEW
    let at = (group.x + group.z * FOLD) * 64u + lane;
    if (at >= p.count) { return; }
    for (var strip = 0u; strip < strips; strip++) { sum += scratch[p.weight_partials + strip * p.count + at]; }
#endif
    for (var i = 0u; i < 4u; i++) {
#if TAPS
        // [tap][channel], to [channel][input channel][row][column].
        let channel = 4u * (at % p.c4_out) + i;
        let tap = at / p.c4_out;
        let inputs = p.third;
        let area = p.kernel * p.kernel;
        if (channel < p.channels_out) { gradients[p.first + (channel * inputs + tap % inputs) * area + tap / inputs] = sum[i]; }
#endif
#if DENSE
        let k = 4u * (at % p.c4_in) + i;
        let n = at / p.c4_in % (4u * p.c4_out);
        let tap = at / p.c4_in / (4u * p.c4_out);
        let area = p.kernel * p.kernel;
        if (k < p.channels_in && n < p.channels_out) { gradients[p.first + (n * p.channels_in + k) * area + tap] = sum[i]; }
#endif
    }
}
