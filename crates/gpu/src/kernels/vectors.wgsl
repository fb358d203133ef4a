// Vectors by channel, and what squeeze-excite keeps for each image. A batch norm's lie one behind the other, `c4` each:
// 0 scale, 1 shift, 2 mean, 3 1 / deviation, 4 to 6 the map from dZ and Y to dY, 7 mean and 8 variance of the batch,
// 9 sum of dZ, 10 sum of dZ times the centred output, 11 the largest dZ. 12 begins with a factor of dY for float16, and its inverse.
@group(0) @binding(2) var<storage, read_write> vectors: array<vec4<f32>>;
