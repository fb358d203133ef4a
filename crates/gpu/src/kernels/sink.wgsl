// Where the gradient of a value goes: masked by the ReLU of the unit below, with the two sums that its batch norm needs.
@group(0) @binding(8) var<storage, read_write> out: array<E>;
@group(0) @binding(9) var<storage, read_write> below: array<E>;

struct Sums { dz: vec4<f32>, centred: vec4<f32> }

// Writes a gradient, and adds it to the sums. Where no unit is below, nothing is masked and nobody reads the sums.
fn sink(at: u32, c: u32, value: vec4<f32>, sums: ptr<function, Sums>) {
    var v = value;
    if (is(ACCUMULATE)) { v += unpack(out[at]); }
    let n = p.norm_below + c;
    let raw = unpack(below[at]);
    let z = fma(raw, vectors[n], vectors[n + p.c4_in]);
    v = stored(select(v, vec4<f32>(), z <= vec4<f32>(p.floor_below)));
    (*sums).dz += v;
    (*sums).centred = fma(v, raw - vectors[n + 2u * p.c4_in], (*sums).centred);
    out[at] = pack(v);
}

var<workgroup> lane_dz: array<vec4<f32>, 64>;
var<workgroup> lane_centred: array<vec4<f32>, 64>;

// The sums of a workgroup's lanes, in order.
fn gather_sums(tile: u32, lane: u32, column: u32, sums: Sums) {
    if (!is(BELOW)) { return; }
    lane_dz[lane] = sums.dz;
    lane_centred[lane] = sums.centred;
    workgroupBarrier();
    if (lane >= $TX || column >= p.c4_in) { return; }
    var a = vec4<f32>();
    var b = vec4<f32>();
    for (var i = lane; i < 64u; i += $TX) {
        a += lane_dz[i];
        b += lane_centred[i];
    }
    let at = p.partials + tile * 2u * p.c4_in;
    scratch[at + column] = a;
    scratch[at + p.c4_in + column] = b;
}
