// A residual sum: the main branch, through its batch norm, and the shortcut, which may be such a value or a sum.
@group(0) @binding(6) var<storage, read_write> other: array<E>;
@group(0) @binding(8) var<storage, read_write> out: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x + id.z * FOLD * 64u;
    if (at >= s.images * p.height * p.width * p.c4_in) { return; }
    let c = at % p.c4_in;
    let image = at / (p.height * p.width * p.c4_in);
    // Where the shortcut is a sum, its map begins with ones, and zeros stand at `gate`.
    let v = above(fma(unpack(other[at]), vectors[p.norm_below + c], vectors[p.gate + c]), p.floor_below);
    out[at] = pack(v + x_value(at, x_map_of(c), image, c));
}
