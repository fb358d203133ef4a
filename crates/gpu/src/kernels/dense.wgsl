// A dense convolution: Y[rows, c_out] = X[rows, c_in] * W[c_in, c_out], summed over the places of a window. A lane makes $ROWS rows of four
// columns, a workgroup `p.columns` columns of lanes.
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = lane_of(group, lane, p.c4_out);
    let c = at.c;
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    let last = rows - 1u;
    let row = (at.tile * (64u / p.columns) + at.row) * $ROWS;
    let here = select(0u, min(rows - row, $ROWS), row < rows && at.is_column);
#for r $ROWS
    var v$r = vec4<f32>();
#end
#for r $ROWS
    let row$r = min(row + $ru, last);
    let image$r = row$r / area;
#end
#if POINT
    let first = p.weights + c;
#for r $ROWS
    let at$r = row$r * p.c4_in;
#end
#endif
#if WINDOW
    for (var tap = 0u; tap < p.kernel * p.kernel; tap++) {
    let first = p.weights + tap * 4u * p.c4_in * p.c4_out + c;
#for r $ROWS
    let y$r = row$r % area / p.out_width * p.stride + tap / p.kernel - p.kernel / 2u;
    let x$r = row$r % p.out_width * p.stride + tap % p.kernel - p.kernel / 2u;
    let is_in$r = y$r < p.height && x$r < p.width;
    let at$r = select(0u, ((image$r * p.height + y$r) * p.width + x$r) * p.c4_in, is_in$r);
#end
#endif
    for (var k = 0u; k < p.c4_in; k++) {
        let map = x_map_of(k);
        let source = first + 4u * k * p.c4_out;
        let w0 = weights[source];
        let w1 = weights[source + p.c4_out];
        let w2 = weights[source + 2u * p.c4_out];
        let w3 = weights[source + 3u * p.c4_out];
#for r $ROWS
        {
#if POINT
          let a = x_value(at$r + k, map, image$r, k);
#endif
#if WINDOW
          let a = select(vec4<f32>(), x_value(at$r + k, map, image$r, k), is_in$r);
#endif
          v$r = fma(vec4<f32>(a.x), w0, fma(vec4<f32>(a.y), w1, fma(vec4<f32>(a.z), w2, fma(vec4<f32>(a.w), w3, v$r)))); }
#end
    }
#if WINDOW
    }
#endif
    if (is(BIAS)) {
        let bias = vectors[p.norm_out + c];
#for r $ROWS
        v$r += bias;
#end
    }
#for r $ROWS
    if ($ru < here) { out[(row + $ru) * p.c4_out + c] = pack(v$r); }
#end
#if MOMENTS
    let count = f32(here);
    var mean = vec4<f32>();
    var squares = vec4<f32>();
#for r $ROWS
    v$r = stored(v$r);
    mean += select(vec4<f32>(), v$r, $ru < here);
#end
    mean /= max(count, 1.0);
#for r $ROWS
    { let apart = v$r - mean; squares += select(vec4<f32>(), apart * apart, $ru < here); }
#end
    gather_moments(at, count, mean, squares);
#endif
}
