// The first convolution, from bytes that are normalised as they are loaded, or from floats. Padding is zeros behind that.
@group(0) @binding(8) var<storage, read_write> out: array<E>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let across = (p.out_width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.out_height * across;
    let lanes = 64u / $TX;
    if (tile * lanes * p.strip >= runs) { return; }
    let c = group.y * $TX + lane % $TX;
    var count = 0.0;
    var mean = vec4<f32>();
    var squares = vec4<f32>();
    if (c < p.c4_out) {
        for (var i = 0u; i < p.strip; i++) {
            let run = (tile * p.strip + i) * lanes + lane / $TX;
            if (run >= runs) { break; }
            let image = run / (p.out_height * across);
            let row = run / across % p.out_height;
            let column = run % across * $RUNu;
            let here = min($RUNu, p.out_width - column);
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
            m /= n;
#for j $RUN
            { let apart = v$j - m; q += select(vec4<f32>(), apart * apart, $ju < here); }
#end
            count += n;
            let apart = m - mean;
            mean += apart * (n / count);
            squares += q + apart * apart * ((count - n) * n / count);
#endif
        }
    }
#if MOMENTS
    gather_moments(tile, lane, c, count, mean, squares);
#endif
}
