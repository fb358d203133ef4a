// The gradient of a depthwise convolution's input: a lane makes runs of $RUN neighbours of four channels.

// The gradient of an output, zero where there is none.
fn dy_at(image: u32, row: i32, column: i32, is_row: bool, map: DyMap, c: u32) -> vec4<f32> {
    // Without a sign what is negative is large. `&` and not `&&`, which branches.
    let is_in = is_row & (u32(row) < p.out_height) & (u32(column) < p.out_width);
    let at = select(0u, (image * p.out_height + u32(row)) * p.out_width + u32(column), is_in) * p.c4_out + c;
    return select(vec4<f32>(), dy(at, map), is_in);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = lane_of(group, lane, p.c4_in);
    let c = place.c;
    let across = (p.width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.height * across;
    let lanes = 64u / p.columns;
    let dy_map = dy_map_of(c);
    let below_map = below_map_of(c);
    var sums = Sums();
    for (var i = 0u; i < p.strip; i++) {
        let own = (place.tile * p.strip + i) * lanes + place.row;
        let run = min(own, runs - 1u);
        let image = run / (p.height * across);
        let row = run / across % p.height;
        let column = run % across * $RUNu;
        let here = select(0u, min($RUNu, p.width - column), own < runs && place.is_column);
        let at = ((image * p.height + row) * p.width + column) * p.c4_in + c;
#for j $RUN
        var v$j = vec4<f32>();
#end
        let left = i32(column / $Su);
$TAPS
#for j $RUN
        sink(at + min($ju, max(here, 1u) - 1u) * p.c4_in, below_map, v$j, $ju < here, &sums);
#end
    }
    gather_sums(place, (runs + lanes * p.strip - 1u) / (lanes * p.strip), sums);
}
