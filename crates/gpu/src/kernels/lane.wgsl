// Where a lane stands in a workgroup of 64: in one of `p.columns` columns, each of four channels, and in a row of the tile. What a lane
// computes beyond the last channel or row it computes from the last one, without a branch, and does not write.
struct Lane {
    tile: u32,
    lane: u32,
    // Its row among all rows of lanes.
    row: u32,
    // Its four channels, and whether there are such.
    c: u32,
    is_column: bool,
}

fn lane_of(group: vec3<u32>, lane: u32, c4: u32) -> Lane {
    let tile = group.x + group.z * FOLD;
    let column = group.y * p.columns + lane % p.columns;
    return Lane(tile, lane, lane / p.columns, min(column, c4 - 1u), column < c4);
}
