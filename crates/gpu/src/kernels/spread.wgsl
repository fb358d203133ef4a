// The gradient that flows back through means: of pooling, or of squeeze-excite, where it joins the gated value's.
#if POOL
@group(0) @binding(6) var<storage, read_write> mean_gradient: array<vec4<f32>>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let area = p.height * p.width;
    let rows = s.images * area;
    let lanes = 64u / $TX;
    if (tile * lanes * p.strip >= rows) { return; }
    let c = group.y * $TX + lane % $TX;
    var sums = Sums();
    if (c < p.c4_in) {
        for (var i = 0u; i < p.strip; i++) {
            let row = (tile * p.strip + i) * lanes + lane / $TX;
            if (row >= rows) { break; }
            let image = row / area;
            let at = row * p.c4_in + c;
#if POOL
            sink(at, c, mean_gradient[image * p.c4_in + c] / f32(area), &sums);
#endif
#if SQUEEZE
            let v = unpack(out[at]) * vectors[p.gate + image * p.c4_in + c];
            sink(at, c, v + vectors[p.gate_end + image * p.c4_in + c] / f32(area), &sums);
#endif
        }
    }
    gather_sums(tile, lane, c, sums);
}
