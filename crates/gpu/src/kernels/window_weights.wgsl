// The gradient of a window's weights, depthwise or of the first convolution, by what each lane sees of it. A lane works on one row of the
// window: workgroups in y are columns of channels, `p.count` of them, for each row.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = lane_of(vec3<u32>(group.x, group.y % p.count, group.z), lane, p.c4_out);
    let i_row = group.y / p.count;
    let c = place.c;
    let across = (p.out_width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.out_height * across;
    let lanes = 64u / p.columns;
    let dy_map = dy_map_of(c);
#if DEPTHWISE
    let map = x_map_of(c);
#endif
#for t $ROWTAPS
    var g$t = vec4<f32>();
#end
    for (var i = 0u; i < p.strip; i++) {
        let own = (place.tile * p.strip + i) * lanes + place.row;
        let run = min(own, runs - 1u);
        let image = run / (p.out_height * across);
        let row = run / across % p.out_height;
        let column = run % across * $RUNu;
        let here = select(0u, min($RUNu, p.out_width - column), own < runs);
        let left = i32(column * $Su) - $Pi;
        let at_row = i32(row * $Su + i_row) - $Pi;
        let at = ((image * p.out_height + row) * p.out_width + column) * p.c4_out + c;
#for j $RUN
        let d$j = select(vec4<f32>(), dy(at + min($ju, max(here, 1u) - 1u) * p.c4_out, dy_map), $ju < here);
#end
$TAPS
    }
    if (place.is_column && place.tile * lanes * p.strip < runs) {
        let to = p.weight_partials + ((place.tile * lanes + place.row) * $TAPCOUNTu + i_row * $ROWTAPSu) * p.c4_out + c;
#for t $ROWTAPS
        scratch[to + $tu * p.c4_out] = g$t;
#end
    }
}
