//! What an optimised program must not contain.

use object::{Object, ObjectSymbol};

/// Fails if a vector instruction stands as a function of its own in this test program.
///
/// Such a function is called for each vector: kernels that read well then run at half their speed. It happens where a closure
/// in a kernel is called from two places, for it may be compiled apart, without the instruction set of the kernel.
pub fn no_instruction_is_a_function() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let program = object::File::parse(&*program).unwrap();
    let names: Vec<_> = program.symbols().filter_map(|symbol| symbol.name().ok()).collect();
    assert!(names.iter().any(|name| name.contains("mnasnet_kernels")), "no symbols");
    let functions: Vec<_> = names
        .iter()
        .filter(|name| name.contains("core_arch") && !name.contains("xsave"))
        .collect();
    assert!(functions.is_empty(), "{functions:#?}");
}
