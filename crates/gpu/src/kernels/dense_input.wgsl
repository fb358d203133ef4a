// The gradient of a dense convolution's input: dX[rows, c_in] = dY[rows, c_out] * W[c_out, c_in], summed over the places of a window.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = lane_of(group, lane, p.c4_in);
    let c = at.c;
    let area = p.height * p.width;
    let rows = s.images * area;
    let last = rows - 1u;
    let tall = (64u / p.columns) * $ROWS;
    let row = at.tile * tall + at.row * $ROWS;
    var sums = Sums();
#for r $ROWS
    var v$r = vec4<f32>();
    let row$r = min(row + $ru, last);
#end
#if POINT
    let first = p.weights + c;
#for r $ROWS
    let at$r = row$r * p.c4_out;
#end
#endif
#if WINDOW
    for (var tap = 0u; tap < p.kernel * p.kernel; tap++) {
    let first = p.weights + tap * 4u * p.c4_out * p.c4_in + c;
    // Of outputs that do not exist, what would be a negative row is a large one. `&` and not `&&`, which branches.
#for r $ROWS
    let y$r = row$r % area / p.width + p.kernel / 2u - tap / p.kernel;
    let x$r = row$r % p.width + p.kernel / 2u - tap % p.kernel;
    let is_in$r = (y$r % p.stride == 0u) & (x$r % p.stride == 0u) & (y$r / p.stride < p.out_height) & (x$r / p.stride < p.out_width);
    let at$r = select(0u, ((row$r / area * p.out_height + y$r / p.stride) * p.out_width + x$r / p.stride) * p.c4_out, is_in$r);
#end
#endif
    for (var k = 0u; k < p.c4_out; k++) {
        let map = dy_map_of(k);
        let source = first + 4u * k * p.c4_in;
        let w0 = weights[source];
        let w1 = weights[source + p.c4_in];
        let w2 = weights[source + 2u * p.c4_in];
        let w3 = weights[source + 3u * p.c4_in];
#for r $ROWS
        {
#if POINT
          let a = dy(at$r + k, map);
#endif
#if WINDOW
          let a = select(vec4<f32>(), dy(at$r + k, map), is_in$r);
#endif
          v$r = fma(vec4<f32>(a.x), w0, fma(vec4<f32>(a.y), w1, fma(vec4<f32>(a.z), w2, fma(vec4<f32>(a.w), w3, v$r)))); }
#end
    }
#if WINDOW
    }
#endif
    let map = below_map_of(c);
#for r $ROWS
    sink(row$r * p.c4_in + c, map, v$r, at.is_column && row + $ru < rows, &sums);
#end
    gather_sums(at, (rows + tall - 1u) / tall, sums);
}
