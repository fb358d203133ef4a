// A value of the input, zero outside.
fn value_at(image: u32, row: i32, column: i32, map: XMap, c: u32) -> vec4<f32> {
    let is_in = row >= 0 && row < i32(p.height) && column >= 0 && column < i32(p.width);
    let at = select(0u, (image * p.height + u32(row)) * p.width + u32(column), is_in) * p.c4_in + c;
    return select(vec4<f32>(), x_value(at, map, image, c), is_in);
}
