// The gradient of a depthwise convolution's input, or both of its gradients in one sweep: a lane makes runs of $RUN neighbours of four
// channels, in as many rows one below the other as the window's stride, so that each reads the same places of the window as the next lane's.

// The gradient of an output, zero where there is none.
fn dy_at(image: u32, row: i32, column: i32, map: DyMap, c: u32) -> vec4<f32> {
    let is_in = (row >= 0) & (row < i32(p.out_height)) & (column >= 0) & (column < i32(p.out_width));
    let at = select(0u, (image * p.out_height + u32(row)) * p.out_width + u32(column), is_in) * p.c4_out + c;
    return select(vec4<f32>(), dy(at, map), is_in);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = lane_of(group, lane, p.c4_in);
    let c = place.c;
    let across = (p.width + $RUNu - 1u) / $RUNu;
    let down = (p.height + $Su - 1u) / $Su;
    let runs = s.images * down * across;
    let lanes = 64u / p.columns;
    let dy_map = dy_map_of(c);
    var sums = Sums();
#if BOTH
#for t $TAPCOUNT
    var g$t = vec4<f32>();
#end
#endif
    for (var i = 0u; i < p.strip; i++) {
        let own = (place.tile * p.strip + i) * lanes + place.row;
        let run = min(own, runs - 1u);
        let image = run / (down * across);
        let top = run / across % down;
        let column = run % across * $RUNu;
        let right = select(0u, min($RUNu, p.width - column), (own < runs) & place.is_column);
        let left = i32(column / $Su);
$TAPS
    }
    let tiles = (runs + lanes * p.strip - 1u) / (lanes * p.strip);
#if BOTH
    if (place.is_column && place.tile < tiles) {
        let to = p.weight_partials + (place.tile * lanes + place.row) * $TAPCOUNTu * p.c4_in + c;
#for t $TAPCOUNT
        scratch[to + $tu * p.c4_in] = g$t;
#end
    }
#endif
    gather_sums(place, tiles, sums);
}
