// The gradient that flows back through means: of pooling, or of squeeze-excite, where it joins the gated value's.
#if POOL
@group(0) @binding(6) var<storage, read_write> mean_gradient: array<vec4<f32>>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = lane_of(group, lane, p.c4_in);
    let c = place.c;
    let area = p.height * p.width;
    let rows = s.images * area;
    let lanes = 64u / p.columns;
    let map = below_map_of(c);
    var sums = Sums();
    for (var i = 0u; i < p.strip; i++) {
        let own = (place.tile * p.strip + i) * lanes + place.row;
        let row = min(own, rows - 1u);
        let image = row / area;
        let at = row * p.c4_in + c;
#if POOL
        let v = mean_gradient[image * p.c4_in + c] / f32(area);
#endif
#if SQUEEZE
        let v = fma(unpack(out[at]), vectors[p.gate + image * p.c4_in + c], vectors[p.gate_end + image * p.c4_in + c] / f32(area));
#endif
        sink(at, map, v, (own < rows) & place.is_column, &sums);
    }
    gather_sums(place, (rows + lanes * p.strip - 1u) / (lanes * p.strip), sums);
}
