// Lays a weight out for the sweeps, with zeros where channels are rounded up: [taps][inputs][outputs] and, of a dense
// convolution, [taps][outputs][inputs]. For tiles as float16.
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
#if FLOATS
@group(0) @binding(4) var<storage, read_write> packed: array<vec4<f32>>;
#endif
#if HALVES
@group(0) @binding(4) var<storage, read_write> packed: array<vec4<f16>>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x + id.z * FOLD * 64u;
    if (at >= p.count) { return; }
    var v = vec4<f32>();
#if FORWARD
    // p.third inputs, rounded up to p.fourth, of each of the kernel's places.
    let c = at % p.c4_out;
    let input = at / p.c4_out % p.fourth;
    let tap = at / p.c4_out / p.fourth;
    let area = p.kernel * p.kernel;
    for (var i = 0u; i < 4u; i++) {
        let channel = 4u * c + i;
        if (channel < p.channels_out && input < p.third) { v[i] = parameters[p.first + (channel * p.third + input) * area + tap]; }
    }
#endif
#if TRANSPOSED
    let k = at % p.c4_in;
    let n = at / p.c4_in % (4u * p.c4_out);
    let tap = at / p.c4_in / (4u * p.c4_out);
    let area = p.kernel * p.kernel;
    for (var i = 0u; i < 4u; i++) {
        if (4u * k + i < p.channels_in && n < p.channels_out) { v[i] = parameters[p.first + (n * p.channels_in + 4u * k + i) * area + tap]; }
    }
#endif
#if FLOATS
    packed[p.weights + at] = v;
#endif
#if HALVES
    packed[p.weights + at] = vec4<f16>(v);
#endif
}
