// Of each 4,096 values: the sum of their squares, and how many of them are no numbers.
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: array<vec2<f32>>;
var<workgroup> squares: array<f32, 64>;
var<workgroup> strange: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let start = group.x * 4096u;
    let end = min(start + 4096u, p.count);
    var sum = 0.0;
    var count = 0.0;
    for (var i = start + lane; i < end; i += 64u) {
        let v = values[i];
        sum = fma(v, v, sum);
        count += select(0.0, 1.0, (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u);
    }
    squares[lane] = sum;
    strange[lane] = count;
    workgroupBarrier();
    if (lane > 0u) { return; }
    for (var i = 1u; i < 64u; i++) {
        sum += squares[i];
        count += strange[i];
    }
    results[p.first + group.x] = vec2<f32>(sum, count);
}
