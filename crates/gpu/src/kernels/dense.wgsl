// A dense convolution: Y[rows, c_out] = X[rows, c_in] * W[c_in, c_out], summed over the places of a window. A lane makes $ROWS rows of four
// columns, a workgroup $TX columns of lanes.
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    if (tile * (64u / $TX) * $ROWS >= rows) { return; }
    let c = group.y * $TX + lane % $TX;
    let row = (tile * (64u / $TX) + lane / $TX) * $ROWS;
    let here = select(0u, min(rows - row, $ROWS), row < rows && c < p.c4_out);
#for r $ROWS
    var v$r = vec4<f32>();
#end
    if (here > 0u) {
        let last = rows - 1u;
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
            let at = first + 4u * k * p.c4_out;
            let w0 = weights[at];
            let w1 = weights[at + p.c4_out];
            let w2 = weights[at + 2u * p.c4_out];
            let w3 = weights[at + 3u * p.c4_out];
#for r $ROWS
            {
#if POINT
              let a = x_map(unpack(x[at$r + k]), image$r, k);
#endif
#if WINDOW
              let a = select(vec4<f32>(), x_map(unpack(x[at$r + k]), image$r, k), is_in$r);
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
    }
#if MOMENTS
    let count = f32(here);
    var mean = vec4<f32>();
    var squares = vec4<f32>();
    if (here > 0u) {
#for r $ROWS
        v$r = stored(v$r);
        mean += select(vec4<f32>(), v$r, $ru < here);
#end
        mean /= count;
#for r $ROWS
        { let apart = v$r - mean; squares += select(vec4<f32>(), apart * apart, $ru < here); }
#end
    }
    gather_moments(tile, lane, c, count, mean, squares);
#endif
}
