// The gradient of a dense convolution's input: dX[rows, c_in] = dY[rows, c_out] * W[c_out, c_in], summed over the places of a window. A lane
// makes $ROWS rows of two times four columns.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = lane_of(group, lane, (p.c4_in + 1u) / 2u);
    // Where there is no second vector, the first is done twice.
    let c0 = 2u * at.c;
    let c1 = min(c0 + 1u, p.c4_in - 1u);
    let area = p.height * p.width;
    let rows = s.images * area;
    let last = rows - 1u;
    let tall = (64u / p.columns) * $ROWS;
    let row = at.tile * tall + at.row * $ROWS;
#for r $ROWS
    var v0_$r = vec4<f32>();
    var v1_$r = vec4<f32>();
    let row$r = min(row + $ru, last);
#end
#if POINT
    let first = p.weights;
#for r $ROWS
    let at$r = row$r * p.c4_out;
#end
#endif
#if WINDOW
    for (var tap = 0u; tap < p.kernel * p.kernel; tap++) {
    let first = p.weights + tap * 4u * p.c4_out * p.c4_in;
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
#for h 2
#for i 4
        let w$h_$i = weights[first + (4u * k + $iu) * p.c4_in + c$h];
#end
#end
#for r $ROWS
        {
#if POINT
          let a = dy(at$r + k, map);
#endif
#if WINDOW
          let a = select(vec4<f32>(), dy(at$r + k, map), is_in$r);
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
    let tiles = (rows + tall - 1u) / tall;
#for h 2
    {
        var sums = Sums();
        let map = below_map_of(c$h);
        let is_column = at.is_column & (c0 + $hu < p.c4_in);
#for r $ROWS
        sink(row$r * p.c4_in + c$h, map, v$h_$r, is_column & (row + $ru < rows), &sums);
#end
        workgroupBarrier();
        gather_sums(Lane(at.tile, at.lane, at.row, c$h, is_column), tiles, sums);
    }
#end
}
