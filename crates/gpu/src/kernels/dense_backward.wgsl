// Both gradients of a pointwise convolution in one sweep, for few outputs: dX[rows, c_in] = dY[rows, c_out] * W[c_out, c_in], and
// dW[c_out, c_in] = dY' * X. A workgroup goes over `p.strip` blocks of rows. Of each block its lanes make $ROWS rows of four columns of dX,
// and then eight by eight values of dW, each from every `parts`th row, while dZ, Y and X are in the cache.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = lane_of(group, lane, p.c4_in);
    let c = at.c;
    let area = p.height * p.width;
    let rows = s.images * area;
    let last = rows - 1u;
    let tall = (64u / p.columns) * $ROWSu;
    let map = below_map_of(c);
    var sums = Sums();

    // Where there is no second half, the first is done twice and thrown away.
    let across = (min(p.columns, p.c4_in) + 1u) / 2u;
    let tiles = across * ((p.c4_out + 1u) / 2u);
    let parts = p.strips;
    let tile = lane % tiles;
    let part = lane / tiles;
    let k = group.y * p.columns + 2u * (tile % across);
    let k0 = min(k, p.c4_in - 1u);
    let k1 = min(k + 1u, p.c4_in - 1u);
    let n0 = 2u * (tile / across);
    let n1 = min(n0 + 1u, p.c4_out - 1u);
    let x_map0 = x_map_of(k0);
    let x_map1 = x_map_of(k1);
    let dy_map0 = dy_map_of(n0);
    let dy_map1 = dy_map_of(n1);
#for i 4
    var a$i = vec4<f32>();
    var a4_$i = vec4<f32>();
    var b$i = vec4<f32>();
    var b4_$i = vec4<f32>();
#end
    for (var block = 0u; block < p.strip; block++) {
        let top = (at.tile * p.strip + block) * tall;
        {
            let row = top + at.row * $ROWSu;
#for r $ROWS
            var v$r = vec4<f32>();
            let row$r = min(row + $ru, last);
            let at$r = row$r * p.c4_out;
#end
            for (var n = 0u; n < p.c4_out; n++) {
                let dy_map = dy_map_of(n);
                let source = p.weights + c + 4u * n * p.c4_in;
                let w0 = weights[source];
                let w1 = weights[source + p.c4_in];
                let w2 = weights[source + 2u * p.c4_in];
                let w3 = weights[source + 3u * p.c4_in];
#for r $ROWS
                { let d = dy(at$r + n, dy_map);
                  v$r = fma(vec4<f32>(d.x), w0, fma(vec4<f32>(d.y), w1, fma(vec4<f32>(d.z), w2, fma(vec4<f32>(d.w), w3, v$r)))); }
#end
            }
#for r $ROWS
            sink(row$r * p.c4_in + c, map, v$r, at.is_column & (row + $ru < rows), &sums);
#end
        }
        for (var i = 0u; i * parts < tall; i++) {
            let step = i * parts + part;
            let is_in = (step < tall) & (top + step < rows);
            let row = min(top + step, last);
            let image = row / area;
            let x0 = select(vec4<f32>(), x_value(row * p.c4_in + k0, x_map0, image, k0), is_in);
            let x1 = select(vec4<f32>(), x_value(row * p.c4_in + k1, x_map1, image, k1), is_in);
            let d0 = dy(row * p.c4_out + n0, dy_map0);
            let d1 = dy(row * p.c4_out + n1, dy_map1);
#for i 4
            a$i = fma(vec4<f32>(d0[$i]), x0, a$i);
            b$i = fma(vec4<f32>(d0[$i]), x1, b$i);
#end
#for i 4
            a4_$i = fma(vec4<f32>(d1[$i]), x0, a4_$i);
            b4_$i = fma(vec4<f32>(d1[$i]), x1, b4_$i);
#end
        }
    }
    let blocks = (rows + tall - 1u) / tall;
    let groups = (blocks + p.strip - 1u) / p.strip;
    if (at.tile < groups && part < parts && k < p.c4_in) {
        let to = p.weight_partials + (at.tile * parts + part) * 4u * p.c4_out * p.c4_in;
#for i 4
        scratch[to + (4u * n0 + $iu) * p.c4_in + k0] = a$i;
        if (k1 > k0) { scratch[to + (4u * n0 + $iu) * p.c4_in + k1] = b$i; }
        if (n1 > n0) {
            scratch[to + (4u * n1 + $iu) * p.c4_in + k0] = a4_$i;
            if (k1 > k0) { scratch[to + (4u * n1 + $iu) * p.c4_in + k1] = b4_$i; }
        }
#end
    }
    gather_sums(at, groups, sums);
}
