// An optimizer's update of the flat parameters. A span has its end, its weight decay and its factor on the learning rate, which is 0
// where nothing is touched.
struct Span { end: u32, decay: f32, rate: f32 }
@group(0) @binding(3) var<storage, read> spans: array<Span>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read> gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> slot: array<f32>;
@group(0) @binding(7) var<storage, read_write> second: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Four values a lane, a workgroup's lanes side by side. A workgroup's values mostly lie in one span.
    let start = 256u * (group.x + group.z * FOLD);
    var low = 0u;
    var high = s.spans - 1u;
    while (low < high) {
        let middle = (low + high) / 2u;
        if (start < spans[middle].end) { high = middle; } else { low = middle + 1u; }
    }
    // Beyond the last value the last one is computed again and not stored: lavapipe 26 ends the program with a fault where no lane of a
    // subgroup enters a loop that holds another one.
    for (var i = 0u; i < 4u; i++) {
        let own = start + 64u * i + lane;
        let at = min(own, p.count - 1u);
        while (at >= spans[low].end) { low += 1u; }
        let w = weights[at];
        let gradient = gradients[at];
        let g = fma(spans[low].decay, w, gradient);
        let rate = s.learning_rate * spans[low].rate;
        let decayed = w * (1.0 - rate * spans[low].decay);
        let stored = own < p.count && spans[low].rate != 0.0;
        // 0 RMSProp, 1 SGD, 2 SGD with Nesterov's momentum, 3 AdamW, 4 Lion.
        if (s.rule == 0u) {
            let square = s.decay * slot[at] + (1.0 - s.decay) * (g * g);
            let moment = s.momentum * second[at] + rate * g / sqrt(square + s.epsilon);
            if (stored) {
                slot[at] = square;
                second[at] = moment;
                weights[at] = w - moment;
            }
        } else if (s.rule == 3u) {
            let mean = fma(1.0 - s.momentum, gradient - slot[at], slot[at]);
            let square = s.decay * second[at] + (1.0 - s.decay) * (gradient * gradient);
            let root = sqrt(square) / s.corrections.y + s.epsilon;
            if (stored) {
                slot[at] = mean;
                second[at] = square;
                weights[at] = decayed - rate / s.corrections.x * mean / root;
            }
        } else if (s.rule == 4u) {
            let direction = fma(s.momentum, slot[at], gradient * (1.0 - s.momentum));
            let mean = fma(s.decay, slot[at], gradient * (1.0 - s.decay));
            if (stored) {
                slot[at] = mean;
                weights[at] = decayed - rate * sign(direction);
            }
        } else {
            let sum = fma(s.momentum, slot[at], g);
            if (stored) {
                slot[at] = sum;
                weights[at] = w - rate * select(sum, fma(s.momentum, sum, g), s.rule == 2u);
            }
        }
    }
}
