// The gradient of a dense convolution's input: dX[rows, c_in] = dY[rows, c_out] * W[c_out, c_in], summed over the places of a window.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let area = p.height * p.width;
    let rows = s.images * area;
    if (tile * (64u / $TX) * $ROWS >= rows) { return; }
    let c = group.y * $TX + lane % $TX;
    let row = (tile * (64u / $TX) + lane / $TX) * $ROWS;
    let here = select(0u, min(rows - row, $ROWS), row < rows && c < p.c4_in);
    var sums = Sums();
    if (here > 0u) {
        let last = rows - 1u;
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
#for r $ROWS
        // Of outputs that do not exist, what would be a negative row is a large one.
        let y$r = row$r % area / p.width + p.kernel / 2u - tap / p.kernel;
        let x$r = row$r % p.width + p.kernel / 2u - tap % p.kernel;
        let is_in$r = y$r % p.stride == 0u && x$r % p.stride == 0u && y$r / p.stride < p.out_height && x$r / p.stride < p.out_width;
        let at$r = select(0u, ((row$r / area * p.out_height + y$r / p.stride) * p.out_width + x$r / p.stride) * p.c4_out, is_in$r);
#end
#endif
        for (var k = 0u; k < p.c4_out; k++) {
            let at = first + 4u * k * p.c4_in;
            let w0 = weights[at];
            let w1 = weights[at + p.c4_in];
            let w2 = weights[at + 2u * p.c4_in];
            let w3 = weights[at + 3u * p.c4_in];
#for r $ROWS
            {
#if POINT
              let a = dy(at$r + k, k);
#endif
#if WINDOW
              let a = select(vec4<f32>(), dy(at$r + k, k), is_in$r);
#endif
              v$r = fma(vec4<f32>(a.x), w0, fma(vec4<f32>(a.y), w1, fma(vec4<f32>(a.z), w2, fma(vec4<f32>(a.w), w3, v$r)))); }
#end
        }
#if WINDOW
        }
#endif
#for r $ROWS
        if ($ru < here) { sink((row + $ru) * p.c4_in + c, c, v$r, &sums); }
#end
    }
    gather_sums(tile, lane, c, sums);
}
