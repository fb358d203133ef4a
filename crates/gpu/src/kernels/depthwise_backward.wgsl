// A depthwise convolution backward, in one sweep over its input: the input's gradient, and what each lane sees of the weights'.
fn read_dy(image: u32, row: u32, column: i32, c: u32) -> vec4<f32> {
    let is_in = column >= 0 && column < i32(p.out_width);
    let at = ((image * p.out_height + row) * p.out_width + select(0u, u32(column), is_in)) * p.c4_out + c;
    return select(vec4<f32>(), dy(at, c), is_in);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = group.x + group.z * FOLD;
    let across = (p.width + $RUNu - 1u) / $RUNu;
    let runs = s.images * p.height * across;
    let lanes = 64u / $TX;
    if (tile * lanes * p.strip >= runs) { return; }
    let c = group.y * $TX + lane % $TX;
    var sums = Sums();
    if (c < p.c4_in) {
#for t $TAPCOUNT
        var g$t = vec4<f32>();
#end
        for (var i = 0u; i < p.strip; i++) {
            let run = (tile * p.strip + i) * lanes + lane / $TX;
            if (run >= runs) { break; }
            let image = run / (p.height * across);
            let row = run / across % p.height;
            let column = run % across * $RUNu;
            let here = min($RUNu, p.width - column);
            let at = ((image * p.height + row) * p.width + column) * p.c4_in + c;
#for j $RUN
            var v$j = vec4<f32>();
            let x$j = select(vec4<f32>(), x_map(unpack(x[at + min($ju, here - 1u) * p.c4_in]), image, c), $ju < here);
#end
            let left = i32(column / $Su);
$TAPS
#for j $RUN
            if ($ju < here) { sink(at + $ju * p.c4_in, c, v$j, &sums); }
#end
        }
        let to = p.weight_partials + (tile * lanes + lane / $TX) * $TAPCOUNTu * p.c4_in + c;
#for t $TAPCOUNT
        scratch[to + $tu * p.c4_in] = g$t;
#end
    }
    gather_sums(tile, lane, c, sums);
}
