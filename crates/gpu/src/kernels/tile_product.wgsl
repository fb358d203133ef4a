// The right factor of a product with weights, [inputs][outputs].
@group(0) @binding(3) var<storage, read> weights: array<vec4<f16>>;

// Brings 32 rows of the weights from `k` on. What is beyond them is zero.
fn bring_weights(at: Lane, k: u32, c4_inputs: u32, c4_outputs: u32) {
    for (var r = at.row; r < 32u; r += 4u) {
        let input = 4u * k + r;
        let w = weights[p.weights + min(input, 4u * c4_inputs - 1u) * c4_outputs + at.c];
        right[r * $BROADu + at.lane % 16u] = select(vec4<f16>(), w, input < 4u * c4_inputs && at.is_column);
    }
}

// The row of the block that a lane's `j`th of the `i`th rows of tiles is, and where its sums lie.
fn row_of(lane: u32, i: u32, j: u32) -> vec2<u32> {
    let local = lane / 16u * $EACHu + j;
    return vec2<u32>(local / $SIDEu * $TALLu + i * $SIDEu + local % $SIDEu, local * $SUMSu + lane % 16u);
}
