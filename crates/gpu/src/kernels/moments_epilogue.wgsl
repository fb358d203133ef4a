// Moments of what a workgroup has written: each lane brings those of its rows, the first row of lanes merges them in order.
var<workgroup> lane_means: array<vec4<f32>, 64>;
var<workgroup> lane_squares: array<vec4<f32>, 64>;
var<workgroup> lane_counts: array<f32, 64>;

fn gather_moments(at: Lane, count: f32, mean: vec4<f32>, squares: vec4<f32>) {
    lane_means[at.lane] = mean;
    lane_squares[at.lane] = squares;
    lane_counts[at.lane] = count;
    workgroupBarrier();
    var all = 0.0;
    var m = vec4<f32>();
    var q = vec4<f32>();
    for (var i = at.lane % p.columns; i < 64u; i += p.columns) {
        let n = lane_counts[i];
        all += n;
        let share = n / max(all, 1.0);
        let apart = lane_means[i] - m;
        m += apart * share;
        q += lane_squares[i] + apart * apart * ((all - n) * share);
    }
    // A column of lanes beyond the last tile has counted nothing.
    if (at.lane < p.columns && at.is_column && all > 0.0) {
        let to = p.partials + at.tile * (2u * p.c4_out + 1u);
        scratch[to + at.c] = m;
        scratch[to + p.c4_out + at.c] = q;
        if (at.c == 0u) { scratch[to + 2u * p.c4_out] = vec4<f32>(all); }
    }
}
