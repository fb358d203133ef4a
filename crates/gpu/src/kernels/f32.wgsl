// Four values as they are stored.
alias E = vec4<f32>;
fn unpack(e: E) -> vec4<f32> { return e; }
fn pack(v: vec4<f32>) -> E { return v; }
// A value as it is read again.
fn stored(v: vec4<f32>) -> vec4<f32> { return v; }
