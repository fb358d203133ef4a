//! The program `mnasnet`.
fn main() {}
