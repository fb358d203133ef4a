// Batch norm's map of four channels from their moments, which move the running statistics, or from the running statistics. A convolution's
// bias, which is never added, counts in the mean.
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>;

fn make_map(c: u32, batch_mean: vec4<f32>, batch_variance: vec4<f32>) {
    let images = select(s.images, s.whole, is(SYNCED));
    let rows = f32(images) * f32(p.out_height * p.out_width);
    let unbiased = rows / max(rows - 1.0, 1.0);
    let n = p.norm_out + c;
    var mean = batch_mean;
    var variance = batch_variance;
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
            statistics[at_mean] = (1.0 - s.momentum) * statistics[at_mean] + s.momentum * (mean[i] + bias);
            statistics[at_variance] = (1.0 - s.momentum) * statistics[at_variance] + s.momentum * (variance[i] * unbiased);
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
