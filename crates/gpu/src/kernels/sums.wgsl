// Adds the two sums of all tiles, in order, and finds the largest value: a workgroup a column of four channels.
var<workgroup> firsts: array<vec4<f32>, 64>;
var<workgroup> seconds: array<vec4<f32>, 64>;
var<workgroup> peaks: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x;
    let tiles = (s.images * p.count + p.strip - 1u) / p.strip;
    var a = vec4<f32>();
    var b = vec4<f32>();
    var peak = vec4<f32>();
    for (var tile = lane; tile < tiles; tile += 64u) {
        let at = p.partials + tile * 3u * p.c4_out;
        a += scratch[at + c];
        b += scratch[at + p.c4_out + c];
        peak = max(peak, scratch[at + 2u * p.c4_out + c]);
    }
    firsts[lane] = a;
    seconds[lane] = b;
    peaks[lane] = peak;
    workgroupBarrier();
    if (lane > 0u) { return; }
    for (var i = 1u; i < 64u; i++) {
        a += firsts[i];
        b += seconds[i];
        peak = max(peak, peaks[i]);
    }
    vectors[p.norm_out + 9u * p.c4_out + c] = a;
    vectors[p.norm_out + 10u * p.c4_out + c] = b;
    vectors[p.norm_out + 11u * p.c4_out + c] = peak;
}
