// The gradient of a pointwise convolution's input over tiles: dX[rows, c_in] = dY[rows, c_out] * W[c_out, c_in].
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) size: u32,
) {
    let at = lane_of(group, lane, p.c4_in);
$PORTIONS
    let rows = s.images * p.height * p.width;
    let last = rows - 1u;
    let start = at.tile * 64u;
    let factor = factor_of_dy();
$ZEROS
    for (var k = 0u; k < p.c4_out; k += 8u) {
        let is_in = k + lane % 8u < p.c4_out;
        let c = min(k + lane % 8u, p.c4_out - 1u);
        let map = dy_map_of(c);
        for (var r = lane / 8u; r < 64u; r += 8u) {
            let v = factor.x * dy(min(start + r, last) * p.c4_out + c, map);
            left[r * $LONGu + lane % 8u] = vec4<f16>(select(vec4<f32>(), v, is_in));
        }
        bring_weights(at, k, p.c4_out, p.c4_in);
        workgroupBarrier();
$MULTIPLY
        workgroupBarrier();
    }
    let map = below_map_of(at.c);
    var sums = Sums();
#for i $PASSES
$GIVE
    workgroupBarrier();
    for (var j = 0u; j < $EACHu; j++) {
        let own = row_of(lane, $iu, j);
        let row = start + own.x;
        sink(min(row, last) * p.c4_in + at.c, map, factor.y * gathered[own.y], row < rows && at.is_column, &sums);
    }
    workgroupBarrier();
#end
    gather_sums(at, (rows + 63u) / 64u, sums);
}
