// The gradient of a pointwise convolution's weights over tiles, by strips of rows: dW[c_out, c_in] = dY' * X. A workgroup makes one block
// of one strip.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) size: u32,
) {
$PORTIONS
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    let across = (p.c4_in + 15u) / 16u;
    let blocks = across * ((p.c4_out + 15u) / 16u);
    let id = group.x + group.z * FOLD;
    // Workgroups beyond the last strip make it again.
    let strip = min(id / blocks, p.strips - 1u);
    let k0 = id % blocks % across * 16u;
    let n0 = id % blocks / across * 16u;
    let column = lane % 16u;
    let k = min(k0 + column, p.c4_in - 1u);
    let n = min(n0 + column, p.c4_out - 1u);
    let x_map = x_map_of(k);
    let dy_map = dy_map_of(n);
    let factor = factor_of_dy();
$ZEROS
    for (var i = 0u; i < p.strip; i += 32u) {
        for (var r = lane / 16u; r < 32u; r += 4u) {
            let own = strip * p.strip + i + r;
            let row = min(own, rows - 1u);
            let d = factor.x * dy(row * p.c4_out + n, dy_map);
            let v = x_value(row * p.c4_in + k, x_map, row / area, k);
            left[r * $LONGu + column] = vec4<f16>(select(vec4<f32>(), d, own < rows && n0 + column < p.c4_out));
            right[r * $BROADu + column] = vec4<f16>(select(vec4<f32>(), v, own < rows && k0 + column < p.c4_in));
        }
        workgroupBarrier();
$MULTIPLY
        workgroupBarrier();
    }
    // Whole blocks, with zeros beyond the last channels.
    let wide = across * 16u;
    let to = p.weight_partials + (strip * (blocks / across) * 64u + 4u * n0) * wide + k0;
$STORE
}
