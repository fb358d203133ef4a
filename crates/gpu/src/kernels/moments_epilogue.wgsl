// Moments of what a workgroup has written: each lane brings those of its rows, the first row of lanes merges them in order.
var<workgroup> lane_means: array<vec4<f32>, 64>;
var<workgroup> lane_squares: array<vec4<f32>, 64>;
var<workgroup> lane_counts: array<f32, 64>;

fn gather_moments(tile: u32, lane: u32, column: u32, count: f32, mean: vec4<f32>, squares: vec4<f32>) {
    lane_means[lane] = mean;
    lane_squares[lane] = squares;
    lane_counts[lane] = count;
    workgroupBarrier();
    if (lane >= $TX || column >= p.c4_out) { return; }
    var all = 0.0;
    var m = vec4<f32>();
    var q = vec4<f32>();
    for (var i = lane; i < 64u; i += $TX) {
        let n = lane_counts[i];
        if (n > 0.0) {
            let apart = lane_means[i] - m;
            all += n;
            m += apart * (n / all);
            q += lane_squares[i] + apart * apart * ((all - n) * n / all);
        }
    }
    let at = p.partials + tile * (2u * p.c4_out + 1u);
    scratch[at + column] = m;
    scratch[at + p.c4_out + column] = q;
    if (column == 0u) { scratch[at + 2u * p.c4_out] = vec4<f32>(all); }
}
