// Four bfloat16 in two words, as WGSL has no such type.
alias E = vec2<u32>;
fn unpack(e: E) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(e.x << 16u, e.x & 0xffff0000u, e.y << 16u, e.y & 0xffff0000u));
}
// To the nearest, ties to even. What is no number stays none.
fn rounded(v: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let near = (bits + vec4<u32>(0x7fffu) + ((bits >> vec4<u32>(16u)) & vec4<u32>(1u))) & vec4<u32>(0xffff0000u);
    let is_nan = (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    return select(near, vec4<u32>(0x7fc00000u), is_nan);
}
fn pack(v: vec4<f32>) -> E {
    let r = rounded(v);
    return vec2<u32>((r.x >> 16u) | r.y, (r.z >> 16u) | r.w);
}
fn stored(v: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(rounded(v)); }
