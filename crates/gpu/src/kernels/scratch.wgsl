@group(0) @binding(4) var<storage, read_write> scratch: array<vec4<f32>>;
