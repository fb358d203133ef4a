// Cross entropy of logits with label smoothing and up to two labels an image: an image a workgroup. Leaves the logits' gradient, and of each
// image the loss and whether the first label has the largest logit.
@group(0) @binding(3) var<storage, read> targets: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> scores: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;
var<workgroup> first: array<f32, 64>;
var<workgroup> second: array<f32, 64>;
var<workgroup> beaten: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = group.x + group.z * FOLD;
    if (image >= s.images) { return; }
    let classes = p.channels_out;
    let wide = 4u * p.c4_out;
    let row = image * wide;
    // Label, second label, weight of the second.
    let target_ = targets[image];
    let weight = bitcast<f32>(target_.z);
    let own = x[row + target_.x];
    var largest = x[row];
    var lost = 0u;
    for (var k = lane; k < classes; k += 64u) {
        let v = x[row + k];
        // What is no number is the largest of all, so that the loss is none either.
        largest = select(largest, v, !(v <= largest));
        let is_below = k == target_.x || v < own || (k > target_.x && v == own);
        lost |= select(1u, 0u, is_below);
    }
    first[lane] = largest;
    beaten[lane] = lost;
    workgroupBarrier();
    for (var i = 0u; i < 64u; i++) {
        largest = select(largest, first[i], !(first[i] <= largest));
        lost |= beaten[i];
    }
    workgroupBarrier();
    var sum = 0.0;
    var total = 0.0;
    for (var k = lane; k < classes; k += 64u) {
        let v = x[row + k] - largest;
        sum += exp(v);
        total += v;
    }
    first[lane] = sum;
    second[lane] = total;
    workgroupBarrier();
    sum = 0.0;
    total = 0.0;
    for (var i = 0u; i < 64u; i++) {
        sum += first[i];
        total += second[i];
    }
    // All relative to the largest logit: the targets' mass times it cancels.
    let log_sum = log(sum);
    let mass = s.on + s.off * f32(classes - 1u);
    let both = (1.0 - weight) * (own - largest) + weight * (x[row + target_.y] - largest);
    if (lane == 0u) { scores[image] = vec2<f32>(mass * log_sum - (s.on - s.off) * both - s.off * total, f32(1u - lost)); }
    for (var k = lane; k < wide; k += 64u) {
        var gradient = 0.0;
        if (k < classes) {
            let own = select(0.0, 1.0 - weight, k == target_.x) + select(0.0, weight, k == target_.y);
            let share = own * s.on + (1.0 - own) * s.off;
            gradient = (mass * exp(x[row + k] - largest - log_sum) - share) / f32(s.whole);
        }
        out[row + k] = gradient;
    }
}
