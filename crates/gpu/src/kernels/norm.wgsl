// Batch norm's map from the batch's moments, which also move the running statistics, or from the running statistics. A convolution's
// bias, which is never added, counts in the mean.
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= p.c4_out) { return; }
    let images = select(s.images, s.whole, is(SYNCED));
    let rows = f32(images) * f32(p.out_height * p.out_width);
    let unbiased = rows / max(rows - 1.0, 1.0);
    let n = p.norm_out + c;
    var mean = vectors[n + 7u * p.c4_out];
    var variance = vectors[n + 8u * p.c4_out];
    var scale = vec4<f32>();
    var shift = vec4<f32>();
    var deviation = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        let channel = 4u * c + i;
        if (channel >= p.channels_out) { continue; }
        var bias = 0.0;
        if (p.bias > 0u) { bias = parameters[p.bias - 1u + channel]; }
        let at_mean = p.third + channel;
        let at_variance = p.fourth + channel;
        if (is(RUNNING)) {
            mean[i] = statistics[at_mean] - bias;
            variance[i] = statistics[at_variance];
        } else {
            statistics[at_mean] = (1.0 - p.momentum) * statistics[at_mean] + p.momentum * (mean[i] + bias);
            statistics[at_variance] = (1.0 - p.momentum) * statistics[at_variance] + p.momentum * (variance[i] * unbiased);
        }
        deviation[i] = 1.0 / sqrt(variance[i] + p.epsilon);
        scale[i] = parameters[p.first + channel] * deviation[i];
        shift[i] = fma(-mean[i], scale[i], parameters[p.second + channel]);
    }
    vectors[n] = scale;
    vectors[n + p.c4_out] = shift;
    vectors[n + 2u * p.c4_out] = mean;
    vectors[n + 3u * p.c4_out] = deviation;
}
