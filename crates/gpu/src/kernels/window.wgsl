// A convolution with a window, depthwise or of the image: a lane makes runs of $RUN neighbours of four channels.
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let place = lane_of(group, lane, p.c4_out);
    let c = place.c;
    let across = (p.out_width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.out_height * across;
    let lanes = 64u / p.columns;
#if DEPTHWISE
    let map = x_map_of(c);
#endif
    var count = 0.0;
    var mean = vec4<f32>();
    var squares = vec4<f32>();
    for (var i = 0u; i < p.strip; i++) {
        let own = (place.tile * p.strip + i) * lanes + place.row;
        let run = min(own, runs - 1u);
        let image = run / (p.out_height * across);
        let row = run / across % p.out_height;
        let column = run % across * $RUNu;
        let here = select(0u, min($RUNu, p.out_width - column), (own < runs) & place.is_column);
        let left = i32(column * $Su) - $Pi;
#for j $RUN
        var v$j = vec4<f32>();
#end
$TAPS
        let at = ((image * p.out_height + row) * p.out_width + column) * p.c4_out + c;
#for j $RUN
        if ($ju < here) { out[at + $ju * p.c4_out] = pack(v$j); }
#end
#if MOMENTS
        let n = f32(here);
        var m = vec4<f32>();
        var q = vec4<f32>();
#for j $RUN
        v$j = stored(v$j);
        m += select(vec4<f32>(), v$j, $ju < here);
#end
        m /= max(n, 1.0);
#for j $RUN
        { let apart = v$j - m; q += select(vec4<f32>(), apart * apart, $ju < here); }
#end
        count += n;
        let apart = m - mean;
        let share = n / max(count, 1.0);
        mean += apart * share;
        squares += q + apart * apart * ((count - n) * share);
#endif
    }
#if MOMENTS
    gather_moments(place, count, mean, squares);
#endif
}
