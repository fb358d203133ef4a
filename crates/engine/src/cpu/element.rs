//! The type that values are stored in.

/// Runs `$run` with `$element` standing for the type that values are stored in.
macro_rules! with_element {
    ($precision:expr, $element:ident => $run:expr) => {
        match $precision {
            $crate::Precision::F32 => {
                type $element = f32;
                $run
            }
            $crate::Precision::Bf16 => {
                type $element = mnasnet_kernels::bf16;
                $run
            }
        }
    };
}
pub(crate) use with_element;
