// The gradient of a dense convolution's weights, by strips of rows: dW[c_out, c_in] = dY' * X for each place of the window. A lane makes
// eight by eight values of one strip.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    let across = (p.c4_in + 1u) / 2u;
#if POINT
    let tiles = across * ((p.c4_out + 1u) / 2u);
#endif
#if WINDOW
    let tiles = across * ((p.c4_out + 1u) / 2u) * p.kernel * p.kernel;
#endif
    let id = (group.x + group.z * FOLD) * 64u + lane;
    let is_mine = id / tiles < p.strips;
    let strip = min(id / tiles, p.strips - 1u);
#if POINT
    let tile = id % tiles;
    let tap = 0u;
#endif
#if WINDOW
    let tile = id % tiles % (across * ((p.c4_out + 1u) / 2u));
    let tap = id % tiles / (across * ((p.c4_out + 1u) / 2u));
#endif
    // Where there is no second half, the first is done twice and thrown away.
    let k0 = 2u * (tile % across);
    let k1 = min(k0 + 1u, p.c4_in - 1u);
    let n0 = 2u * (tile / across);
    let n1 = min(n0 + 1u, p.c4_out - 1u);
#for i 4
    var a$i = vec4<f32>();
    var a4_$i = vec4<f32>();
    var b$i = vec4<f32>();
    var b4_$i = vec4<f32>();
#end
    let x_map0 = x_map_of(k0);
    let x_map1 = x_map_of(k1);
    let dy_map0 = dy_map_of(n0);
    let dy_map1 = dy_map_of(n1);
    for (var i = 0u; i < p.strip; i++) {
        let row = min(strip * p.strip + i, rows - 1u);
        let image = row / area;
#if POINT
        let is_in = strip * p.strip + i < rows;
        let at = row * p.c4_in;
#endif
#if WINDOW
        let y_in = row % area / p.out_width * p.stride + tap / p.kernel - p.kernel / 2u;
        let x_in = row % p.out_width * p.stride + tap % p.kernel - p.kernel / 2u;
        let is_in = (strip * p.strip + i < rows) & (y_in < p.height) & (x_in < p.width);
        let at = select(0u, ((image * p.height + y_in) * p.width + x_in) * p.c4_in, is_in);
#endif
        let x0 = select(vec4<f32>(), x_value(at + k0, x_map0, image, k0), is_in);
        let x1 = select(vec4<f32>(), x_value(at + k1, x_map1, image, k1), is_in);
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
    if (!is_mine) { return; }
#if POINT
    let to = p.weight_partials + strip * 4u * p.c4_out * p.c4_in;
#endif
#if WINDOW
    let to = p.weight_partials + (strip * p.kernel * p.kernel + tap) * 4u * p.c4_out * p.c4_in;
#endif
#for i 4
    scratch[to + (4u * n0 + $iu) * p.c4_in + k0] = a$i;
    if (k1 > k0) { scratch[to + (4u * n0 + $iu) * p.c4_in + k1] = b$i; }
    if (n1 > n0) {
        scratch[to + (4u * n1 + $iu) * p.c4_in + k0] = a4_$i;
        if (k1 > k0) { scratch[to + (4u * n1 + $iu) * p.c4_in + k1] = b4_$i; }
    }
#end
}
