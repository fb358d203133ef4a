// A value of the input, zero outside.
fn value_at(image: u32, row: i32, column: i32, map: XMap, c: u32) -> vec4<f32> {
    // Without a sign what is negative is large. `&` and not `&&`, which branches.
    let is_in = (u32(row) < p.height) & (u32(column) < p.width);
    let at = select(0u, (image * p.height + u32(row)) * p.width + u32(column), is_in) * p.c4_in + c;
    return select(vec4<f32>(), x_value(at, map, image, c), is_in);
}
