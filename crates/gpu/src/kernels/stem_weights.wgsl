// The gradient of the first convolution's weights, by what each lane sees.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let across = (p.out_width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.out_height * across;
    let lanes = 64u / $TX;
    if (tile * lanes * p.strip >= runs) { return; }
    let c = group.y * $TX + lane % $TX;
    if (c >= p.c4_out) { return; }
#for t $TAPCOUNT
    var g$t = vec4<f32>();
#end
    for (var i = 0u; i < p.strip; i++) {
        let run = (tile * p.strip + i) * lanes + lane / $TX;
        if (run >= runs) { break; }
        let image = run / (p.out_height * across);
        let row = run / across % p.out_height;
        let column = run % across * $RUNu;
        let here = min($RUNu, p.out_width - column);
        let left = i32(column * $Su) - $Pi;
        let at = ((image * p.out_height + row) * p.out_width + column) * p.c4_out + c;
#for j $RUN
        var d$j = vec4<f32>();
        if ($ju < here) { d$j = dy(at + $ju * p.c4_out, c); }
#end
$TAPS
    }
    let to = p.weight_partials + (tile * lanes + lane / $TX) * $TAPCOUNTu * p.c4_out + c;
#for t $TAPCOUNT
    scratch[to + $tu * p.c4_out] = g$t;
#end
}
