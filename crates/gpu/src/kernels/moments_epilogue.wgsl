// Moments of what a workgroup has written: each lane brings those of its rows, the first row of lanes merges them in order.
fn gather_moments(at: Lane, count: f32, mean: vec4<f32>, squares: vec4<f32>) {
    gathered[at.lane] = mean;
    gathered[64u + at.lane] = squares;
    gathered[128u + at.lane] = vec4<f32>(count);
    workgroupBarrier();
    var all = 0.0;
    var m = vec4<f32>();
    var q = vec4<f32>();
    for (var i = at.lane % p.columns; i < 64u; i += p.columns) {
        let n = gathered[128u + i].x;
        all += n;
        let share = n / max(all, 1.0);
        let apart = gathered[i] - m;
        m += apart * share;
        q += gathered[64u + i] + apart * apart * ((all - n) * share);
    }
    // A column of lanes beyond the last tile has counted nothing.
    if (at.lane < p.columns && at.is_column && all > 0.0) {
        let to = p.partials + at.tile * (2u * p.c4_out + 1u);
        scratch[to + at.c] = m;
        scratch[to + p.c4_out + at.c] = q;
        if (at.c == 0u) { scratch[to + 2u * p.c4_out] = vec4<f32>(all); }
    }
}
