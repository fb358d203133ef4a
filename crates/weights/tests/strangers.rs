//! Files of weights are data from strangers: whatever the bytes, tensors that fit their shapes or an error, never a panic,
//! never much memory. The fuzz target `weights` does the same without an end.

use std::path::Path;

use mnasnet_weights::pickle::Pickle;
use mnasnet_weights::pytorch::Values;
use mnasnet_weights::{Refusal, Wanted, parse, recognise};
use proptest::prelude::*;

fn files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let tensors = [("conv_stem.weight".to_owned(), &[1, 3][..], &[1.0, 2.0, 3.0][..])];
    vec![
        read("pytorch/zip.pth"),
        read("pytorch/stream.pth"),
        read("mindspore/mixed.ckpt"),
        read("mindspore/chunked_and_old_scalar.ckpt"),
        read("others/program.pt2"),
        mnasnet_weights::pytorch::write(
            [(
                "conv_stem.weight".to_owned(),
                &[1, 3][..],
                Values::Floats(&[1.0, 2.0, 3.0]),
            )],
            &[(String::new(), 2)],
        )
        .unwrap(),
        mnasnet_weights::safetensors::write(tensors, Some(("mnasnet".into(), "{}".into()))).unwrap(),
    ]
}

/// Tensors of a file are no more than the file; what holds them together never panics.
fn check(bytes: Vec<u8>) {
    let length = bytes.len();
    if let Ok(state) = parse(bytes.into()) {
        for tensor in state.tensors.values() {
            assert_eq!(
                tensor.shape().iter().product::<usize>() * tensor.dtype().size(),
                tensor.bytes().len()
            );
            assert!(tensor.bytes().len() <= length);
        }
        let _ = recognise(&state, Wanted::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..600), magic in 0usize..5) {
        let magic: &[u8] = [&b""[..], b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"\x0a", b"\x10\0\0\0\0\0\0\0{"][magic];
        bytes.splice(0..0, magic.iter().copied());
        check(bytes);
    }

    #[test]
    fn damaged_files(
        which in 0usize..7,
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>()), 1..8),
        keep in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let mut bytes = files().swap_remove(which);
        for (at, value) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        check(bytes);
    }

    /// Programs of the operations that exist, so that they come further than random bytes.
    #[test]
    fn random_pickles(program in prop::collection::vec(0usize..24, 0..200)) {
        const OPERATIONS: [&[u8]; 24] = [
            b"(", b"0", b"1", b"2", b"N", b"\x88", b"K\x03", b"]", b")", b"}", b"\x85", b"\x86", b"\x87", b"t", b"a", b"e", b"s", b"u",
            b"R", b"b", b"q\x00", b"h\x00", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
        ];
        let mut bytes: Vec<u8> = program.into_iter().flat_map(|operation| OPERATIONS[operation].to_vec()).collect();
        bytes.push(b'.');
        let _ = Pickle::load(&bytes);
    }
}

#[test]
fn a_nest_without_end_needs_no_stack() {
    // Tuples, each the only element of the next; a list that holds itself; a dictionary that does.
    let nest = [b")".to_vec(), b"\x85".repeat(500_000), b".".to_vec()].concat();
    assert!(Pickle::load(&nest).is_ok());
    assert!(Pickle::load(b"]q\x00h\x00a.").is_ok());
    assert!(Pickle::load(b"}q\x00K\x01h\x00s.").is_ok());
    // Each tuple holds the last one twice: 2^1000 values for whoever counts them.
    let doubled = [b")".to_vec(), b"2\x86".repeat(1000), b".".to_vec()].concat();
    assert!(Pickle::load(&doubled).is_ok());
    let error = Pickle::load(&b"N".repeat(3 << 20)).unwrap_err();
    assert!(
        matches!(&error, Refusal::Damaged(reason) if reason == "its pickle has more than 524288 values"),
        "{error:?}"
    );
}
