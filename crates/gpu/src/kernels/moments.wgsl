// Merges the moments of all tiles: a workgroup a column of four channels.
var<workgroup> means: array<vec4<f32>, 64>;
var<workgroup> squares: array<vec4<f32>, 64>;
var<workgroup> counts: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = group.x;
    let size = 2u * p.c4_out + 1u;
    let tiles = (s.images * p.count + p.strip - 1u) / p.strip;
    var n = 0.0;
    var m = vec4<f32>();
    var q = vec4<f32>();
    for (var tile = lane; tile < tiles; tile += 64u) {
        let at = p.partials + tile * size;
        let count = scratch[at + 2u * p.c4_out].x;
        let apart = scratch[at + c] - m;
        n += count;
        m += apart * (count / n);
        q += scratch[at + p.c4_out + c] + apart * apart * ((n - count) * count / n);
    }
    means[lane] = m;
    squares[lane] = q;
    counts[lane] = n;
    workgroupBarrier();
    if (lane > 0u) { return; }
    for (var i = 1u; i < 64u; i++) {
        let count = counts[i];
        if (count > 0.0) {
            let apart = means[i] - m;
            n += count;
            m += apart * (count / n);
            q += squares[i] + apart * apart * ((n - count) * count / n);
        }
    }
    vectors[p.norm_out + 7u * p.c4_out + c] = m;
    vectors[p.norm_out + 8u * p.c4_out + c] = q / n;
#if MAP
    make_map(c, m, q / n);
#endif
}
