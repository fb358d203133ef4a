// A pointwise convolution over tiles: Y[rows, c_out] = X[rows, c_in] * W[c_in, c_out].
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) size: u32,
) {
    let at = lane_of(group, lane, p.c4_out);
$PORTIONS
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    let start = at.tile * 64u;
$ZEROS
    for (var k = 0u; k < p.c4_in; k += 8u) {
        let is_in = k + lane % 8u < p.c4_in;
        let c = min(k + lane % 8u, p.c4_in - 1u);
        let map = x_map_of(c);
        for (var r = lane / 8u; r < 64u; r += 8u) {
            let row = min(start + r, rows - 1u);
            let v = x_value(row * p.c4_in + c, map, row / area, c);
            left[r * $LONGu + lane % 8u] = vec4<f16>(select(vec4<f32>(), v, is_in));
        }
        bring_weights(at, k, p.c4_in, p.c4_out);
        workgroupBarrier();
$MULTIPLY
        workgroupBarrier();
    }
#if MOMENTS
    var count = 0.0;
    var mean = vec4<f32>();
    var squares = vec4<f32>();
#endif
#for i $PASSES
$GIVE
    workgroupBarrier();
    for (var j = 0u; j < $EACHu; j++) {
        let own = row_of(lane, $iu, j);
        let row = start + own.x;
        let v = gathered[own.y];
        if (row < rows && at.is_column) {
            out[row * p.c4_out + at.c] = pack(v);
#if MOMENTS
            let apart = stored(v) - mean;
            count += 1.0;
            mean += apart / count;
            squares = fma(apart, stored(v) - mean, squares);
#endif
        }
    }
    workgroupBarrier();
#end
#if MOMENTS
    gather_moments(at, count, mean, squares);
#endif
}
