// What lanes show each other at a kernel's end.
var<workgroup> gathered: array<vec4<f32>, $GATHERED>;
