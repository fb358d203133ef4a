// Makes batch norm's map: a lane four channels.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= p.c4_out) { return; }
    let n = p.norm_out + c;
    make_map(c, vectors[n + 7u * p.c4_out], vectors[n + 8u * p.c4_out]);
}
