// A dense convolution: Y[rows, c_out] = X[rows, c_in] * W[c_in, c_out], summed over the places of a window. A lane makes $ROWS rows of two
// times four columns, a workgroup `p.columns` columns of lanes.
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = lane_of(group, lane, (p.c4_out + 1u) / 2u);
    // Where there is no second vector, the first is done twice.
    let c0 = 2u * at.c;
    let c1 = min(c0 + 1u, p.c4_out - 1u);
    let area = p.out_height * p.out_width;
    let rows = s.images * area;
    let last = rows - 1u;
    let row = (at.tile * (64u / p.columns) + at.row) * $ROWS;
    let here0 = select(0u, min(rows - row, $ROWS), row < rows && at.is_column);
    let here1 = select(0u, here0, c1 > c0);
#for r $ROWS
    var v0_$r = vec4<f32>();
    var v1_$r = vec4<f32>();
#end
#for r $ROWS
    let row$r = min(row + $ru, last);
    let image$r = row$r / area;
#end
#if POINT
    let first = p.weights;
#for r $ROWS
    let at$r = row$r * p.c4_in;
#end
#endif
#if WINDOW
    for (var tap = 0u; tap < p.kernel * p.kernel; tap++) {
    let first = p.weights + tap * 4u * p.c4_in * p.c4_out;
#for r $ROWS
    let y$r = row$r % area / p.out_width * p.stride + tap / p.kernel - p.kernel / 2u;
    let x$r = row$r % p.out_width * p.stride + tap % p.kernel - p.kernel / 2u;
    let is_in$r = (y$r < p.height) & (x$r < p.width);
    let at$r = select(0u, ((image$r * p.height + y$r) * p.width + x$r) * p.c4_in, is_in$r);
#end
#endif
    for (var k = 0u; k < p.c4_in; k++) {
        let map = x_map_of(k);
#for h 2
#for i 4
        let w$h_$i = weights[first + (4u * k + $iu) * p.c4_out + c$h];
#end
#end
#for r $ROWS
        {
#if POINT
          let a = x_value(at$r + k, map, image$r, k);
#endif
#if WINDOW
          let a = select(vec4<f32>(), x_value(at$r + k, map, image$r, k), is_in$r);
#endif
#for h 2
          v$h_$r = fma(vec4<f32>(a.x), w$h_0, fma(vec4<f32>(a.y), w$h_1, fma(vec4<f32>(a.z), w$h_2, fma(vec4<f32>(a.w), w$h_3, v$h_$r))));
#end
        }
#end
    }
#if WINDOW
    }
#endif
#for h 2
    if (is(BIAS)) {
        let bias = vectors[p.norm_out + c$h];
#for r $ROWS
        v$h_$r += bias;
#end
    }
#for r $ROWS
    if ($ru < here$h) { out[(row + $ru) * p.c4_out + c$h] = pack(v$h_$r); }
#end
#if MOMENTS
    {
        let count = f32(here$h);
        var mean = vec4<f32>();
        var squares = vec4<f32>();
#for r $ROWS
        v$h_$r = stored(v$h_$r);
        mean += select(vec4<f32>(), v$h_$r, $ru < here$h);
#end
        mean /= max(count, 1.0);
#for r $ROWS
        { let apart = v$h_$r - mean; squares += select(vec4<f32>(), apart * apart, $ru < here$h); }
#end
        workgroupBarrier();
        gather_moments(Lane(at.tile, at.lane, at.row, c$h, at.is_column & (c0 + $hu < p.c4_out)), count, mean, squares);
    }
#endif
#end
}
