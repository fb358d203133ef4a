@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
