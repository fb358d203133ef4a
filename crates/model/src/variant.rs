//! The variants, as tables.

/// One row of the table of variants.
#[derive(Debug)]
pub struct Variant {
    /// Name on the command line, e.g. `mnasnet-b1`.
    pub name: &'static str,
    /// Batch norm's epsilon.
    pub bn_epsilon: f32,
    /// Batch norm's momentum m: `running = (1 - m) * running + m * batch`.
    pub bn_momentum: f32,
}
