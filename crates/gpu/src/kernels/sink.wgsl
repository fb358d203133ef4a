// Where the gradient of a value goes: masked by the ReLU of the unit below, with the two sums that its batch norm needs, and the
// largest value.
@group(0) @binding(8) var<storage, read_write> out: array<E>;

struct Sums { dz: vec4<f32>, centred: vec4<f32>, peak: vec4<f32> }

// Writes a gradient where it `is_mine`, and adds it to the sums: `raw` is the raw output of the unit below, `z` what its batch norm makes
// of that. Where no unit is below, nothing is masked and nobody reads the sums.
fn sink_at(at: u32, raw: vec4<f32>, z: vec4<f32>, mean: vec4<f32>, value: vec4<f32>, is_mine: bool, sums: ptr<function, Sums>) {
    var v = value;
    if (is(ACCUMULATE)) { v += unpack(out[at]); }
    v = stored(select(v, vec4<f32>(), z <= vec4<f32>(p.floor_below)));
    let mine = select(vec4<f32>(), v, is_mine);
    (*sums).dz += mine;
    (*sums).centred = fma(mine, raw - mean, (*sums).centred);
    (*sums).peak = max((*sums).peak, abs(mine));
    if (is_mine) { out[at] = pack(v); }
}

#if APART
@group(0) @binding(9) var<storage, read_write> below: array<E>;

// The map of the unit below for four channels, to be loaded once for all rows.
struct BelowMap { scale: vec4<f32>, shift: vec4<f32>, mean: vec4<f32> }

fn below_map_of(c: u32) -> BelowMap {
    let n = p.norm_below + c;
    return BelowMap(vectors[n], vectors[n + p.c4_in], vectors[n + 2u * p.c4_in]);
}

fn sink(at: u32, map: BelowMap, value: vec4<f32>, is_mine: bool, sums: ptr<function, Sums>) {
    let raw = unpack(below[at]);
    sink_at(at, raw, fma(raw, map.scale, map.shift), map.mean, value, is_mine, sums);
}
#endif
#if WITHIN
// The values that the sweep reads are those of the unit below.
struct BelowMap { x: XMap, mean: vec4<f32> }

fn below_map_of(c: u32) -> BelowMap { return BelowMap(x_map_of(c), vectors[p.norm_below + c + 2u * p.c4_in]); }

fn sink(at: u32, map: BelowMap, value: vec4<f32>, is_mine: bool, sums: ptr<function, Sums>) {
    let raw = unpack(x[at]);
    sink_at(at, raw, fma(raw, map.x.scale, map.x.shift), map.mean, value, is_mine, sums);
}
#endif

// The sums of a workgroup's lanes, in order, for tiles below `tiles`.
fn gather_sums(at: Lane, tiles: u32, sums: Sums) {
    gathered[at.lane] = sums.dz;
    gathered[64u + at.lane] = sums.centred;
    gathered[128u + at.lane] = sums.peak;
    workgroupBarrier();
    var a = vec4<f32>();
    var b = vec4<f32>();
    var peak = vec4<f32>();
    for (var i = at.lane % p.columns; i < 64u; i += p.columns) {
        a += gathered[i];
        b += gathered[64u + i];
        peak = max(peak, gathered[128u + i]);
    }
    if (at.lane < p.columns && at.is_column && at.tile < tiles && is(BELOW)) {
        let to = p.partials + at.tile * 3u * p.c4_in;
        scratch[to + at.c] = a;
        scratch[to + p.c4_in + at.c] = b;
        scratch[to + 2u * p.c4_in + at.c] = peak;
    }
}
