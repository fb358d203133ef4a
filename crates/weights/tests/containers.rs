//! Each container against files that PyTorch and MindSpore wrote, and against files that nobody should believe.

use std::path::Path;

use bytes::Bytes;
use mnasnet_weights::{Container, DType, State, parse, safetensors};

fn fixture(path: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(path)).unwrap().into()
}

fn floats(state: &State, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = &state.tensors[name];
    (tensor.shape().to_vec(), tensor.floats().unwrap())
}

#[test]
fn pytorchs_files_give_every_tensor() {
    for (file, container) in [
        ("zip.pth", Container::PytorchZip),
        ("stream.pth", Container::PytorchStream),
    ] {
        let state = parse(fixture(&format!("pytorch/{file}"))).unwrap();
        assert_eq!(state.container, container);
        let weight = vec![0.0, 0.25, 0.5, 0.75, 1.0, 1.25];
        assert_eq!(floats(&state, "model.weight"), (vec![2, 3], weight.clone()));
        assert_eq!(floats(&state, "model.shared"), (vec![2, 3], weight));
        assert_eq!(
            floats(&state, "model.transposed"),
            (vec![3, 2], vec![0.0, 0.75, 0.25, 1.0, 0.5, 1.25])
        );
        assert_eq!(floats(&state, "model.row"), (vec![3], vec![0.75, 1.0, 1.25]));
        assert_eq!(floats(&state, "model.half"), (vec![2], vec![1.0, -0.5]));
        assert_eq!(floats(&state, "model.brain"), (vec![2], vec![1.0, -0.5]));
        assert_eq!(floats(&state, "model.double"), (vec![1], vec![0.1]));
        assert_eq!(floats(&state, "model.empty"), (vec![0, 4], vec![]));
        assert_eq!(floats(&state, "model.parameter"), (vec![1], vec![2.5]));
        assert_eq!(state.tensors["model.count"].integer(), Some(7));
        assert_eq!(state.tensors["model.count"].floats(), None);
        assert_eq!(state.tensors.len(), 10);
        assert_eq!(state.texts["arch"], "tiny");
    }
}

/// A zip as PyTorch writes one: nothing before it, zip64 records behind the list of members, and true values in the old fields.
fn as_pytorch_writes(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let number = |value: usize| (value as u32).to_le_bytes();
    let mut file = Vec::new();
    let mut list = Vec::new();
    for (name, contents) in members {
        let (at, size, length) = (number(file.len()), number(contents.len()), name.len() as u16);
        let common = [
            &[0; 8][..],
            &crc32fast::hash(contents).to_le_bytes(),
            &size,
            &size,
            &length.to_le_bytes(),
            &[0; 2],
        ];
        let common = common.concat();
        file.extend([b"PK\x03\x04\0\0", &common[..], name.as_bytes(), contents].concat());
        list.extend([b"PK\x01\x02\0\0\0\0", &common[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let (start, end) = (file.len(), file.len() + list.len());
    let long = |value: usize| (value as u64).to_le_bytes();
    let counts = [members.len(), members.len(), list.len(), start].map(long).concat();
    file.extend(list);
    file.extend([b"PK\x06\x06", &long(44)[..], &[0; 12], &counts].concat());
    file.extend([b"PK\x06\x07", &[0; 4][..], &long(end), &[1, 0, 0, 0]].concat());
    let count = (members.len() as u16).to_le_bytes();
    let last = [
        b"PK\x05\x06",
        &[0; 4][..],
        &count,
        &count,
        &number(end - start),
        &number(start),
        &[0; 2],
    ];
    file.extend(last.concat());
    file
}

/// The members of PyTorch's own file, without their folder.
fn members() -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(fixture("pytorch/zip.pth"))).unwrap();
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let name = member.name().unwrap().split_once('/').unwrap().1.to_owned();
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut contents).unwrap();
        members.push((name, contents));
    }
    assert!(members.len() > 5);
    members
}

/// PyTorch names the folder in the zip after the file: a reader that guesses where the zip begins is misled by one length of name.
#[test]
fn pytorchs_files_are_read_whatever_their_names_length() {
    let expected = parse(fixture("pytorch/zip.pth")).unwrap();
    let members = members();
    for length in 1..=120 {
        let named = members
            .iter()
            .map(|(name, contents)| (format!("{}/{name}", "n".repeat(length)), contents.clone()));
        let state = parse(as_pytorch_writes(&named.collect::<Vec<_>>()).into());
        let state = state.unwrap_or_else(|error| panic!("{length}: {error}"));
        assert_eq!(state.tensors.len(), expected.tensors.len(), "{length}");
        for (name, tensor) in &expected.tensors {
            assert_eq!(state.tensors[name].bytes(), tensor.bytes(), "{length} {name}");
        }
    }
}

#[test]
fn files_of_other_kinds_are_called_what_they_are() {
    let mut script = members();
    script.push(("constants.pkl".into(), Vec::new()));
    script.push(("code/__torch__/net.py".into(), b"def forward(self): pass".to_vec()));
    let script = script
        .into_iter()
        .map(|(name, contents)| (format!("net/{name}"), contents));
    let script = as_pytorch_writes(&script.collect::<Vec<_>>());
    let photos = as_pytorch_writes(&[("photos/1.jpg".to_owned(), vec![0xff, 0xd8])]);
    let tar = [vec![b'a'; 257], b"ustar\0".to_vec(), vec![0; 300]].concat();
    for (bytes, expected) in [
        (&script[..], "is TorchScript, a program with weights inside"),
        (&photos, "is a zip archive, but no file of weights"),
        (b"\x20\0\0\0TFL3\0\0\0\0", "is a TensorFlow Lite model, which no reader"),
        (b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file, as Keras writes, which"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "is compressed by gzip, which"),
        (&tar, "is a tar archive, which"),
        (b"some words\n", "is text, which"),
        ("größer".as_bytes(), "is text, which"),
        (b"  \n<!DOCTYPE html><html>", "is a web page (a download"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "is a pointer of Git LFS and not the file itself",
        ),
        (&[0x17, 0xff, 3], "is of a kind that no reader of weights knows"),
    ] {
        let error = parse(bytes.to_vec().into()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Files that PyTorch, Keras, NumPy and MindSpore wrote and that are not read: what each is, and the line that makes weights of it.
#[test]
fn what_holds_weights_otherwise_is_called_what_it_is_with_a_way_on() {
    let load = "torch.load(FILE, weights_only=False)";
    for (file, kind, way) in [
        (
            "model.pth",
            "asks for \"torch.nn.modules.linear.Linear\", which no file of weights needs; nothing of it was run. It is a whole model",
            format!("torch.save({load}.state_dict(), \"weights.pth\")"),
        ),
        (
            "stream.pth",
            "asks for \"torch.nn.modules.linear.Linear\"",
            format!("torch.save({load}.state_dict(), \"weights.pth\")"),
        ),
        (
            "model_inside.pth",
            "nothing of it was run. It is a part of \"model\"",
            format!("torch.save({load}[\"model\"].state_dict(), \"weights.pth\")"),
        ),
        (
            "beside.pth",
            "asks for \"torch.nn.modules.linear.Identity\"",
            format!("c = {load}; c.pop(\"config\"); torch.save(c, \"weights.pth\")"),
        ),
        (
            "script.pt",
            "is TorchScript, a program with weights inside",
            "torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")".into(),
        ),
        (
            "program.pt2",
            "is a program of torch.export",
            "torch.save(torch.export.load(FILE).state_dict, \"weights.pth\")".into(),
        ),
        (
            "quantised.pth",
            "holds quantised weights (torch.qint8)",
            "from before the quantisation".into(),
        ),
        (
            "arrays.npz",
            "is an archive of NumPy arrays",
            "safetensors.numpy.save_file(dict(numpy.load(FILE))".into(),
        ),
        (
            "model.keras",
            "is a Keras model",
            "export(\"model.onnx\", format=\"onnx\")".into(),
        ),
        (
            "model.weights.h5",
            "is an HDF5 file, as Keras writes",
            "export(\"model.onnx\", format=\"onnx\")".into(),
        ),
        (
            "encrypted.ckpt",
            "is an encrypted checkpoint of MindSpore",
            "mindspore.load_checkpoint(FILE, dec_key=KEY, dec_mode=MODE)".into(),
        ),
    ] {
        let error = parse(fixture(&format!("others/{file}"))).unwrap_err();
        assert!(error.contains(kind) && error.contains(&way), "{file}: {error}");
        assert!(!error.contains("not a whole"), "{file}: {error}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/others/distributed");
    let way = "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pth";
    let part = mnasnet_weights::read(&folder.join("__0_0.distcp"))
        .unwrap_err()
        .to_string();
    assert!(
        part.contains("is a part of a distributed checkpoint of PyTorch") && part.ends_with(way),
        "{part}"
    );
    let whole = mnasnet_weights::hub::stranger(&folder).unwrap();
    assert!(
        whole.starts_with("holds a distributed checkpoint of PyTorch") && whole.ends_with(way),
        "{whole}"
    );
}

#[test]
fn pickles_with_code_are_refused_by_name() {
    for file in ["evil.pth", "evil_stream.pth"] {
        let error = parse(fixture(&format!("pytorch/{file}"))).unwrap_err();
        assert!(
            error.starts_with(
                "asks for \"posix.system\", which no file of weights needs; nothing of it was run. No model needs"
            ),
            "{error}"
        );
        assert!(!error.contains("torch.load"), "{error}");
    }
    assert!(!Path::new("pwned").exists());
}

#[test]
fn mindspores_files_give_what_its_loader_gives() {
    let expected: serde_json::Value = serde_json::from_slice(&fixture("mindspore/expected.json")).unwrap();
    let mut checked = 0;
    for (file, tensors) in expected.as_object().unwrap() {
        let state = parse(fixture(&format!("mindspore/{file}.ckpt"))).unwrap();
        assert_eq!(
            (state.container, state.tensors.len()),
            (Container::MindSpore, tensors.as_object().unwrap().len())
        );
        for (name, expected) in tensors.as_object().unwrap() {
            let tensor = &state.tensors[name];
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            let values: Vec<f64> = serde_json::from_value(expected["values"].clone()).unwrap();
            assert_eq!(tensor.shape(), shape, "{file} {name}");
            match tensor.floats() {
                Some(floats) => assert_eq!(
                    floats,
                    values.iter().map(|&v| v as f32).collect::<Vec<_>>(),
                    "{file} {name}"
                ),
                None if values.len() == 1 => assert_eq!(tensor.integer(), Some(values[0] as i64)),
                None => assert_eq!(
                    tensor.bytes().len(),
                    values.len() * tensor.dtype().size(),
                    "{file} {name}"
                ),
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 16);
}

#[test]
fn a_damaged_checksum_is_told() {
    let whole = fixture("mindspore/mixed_crc.ckpt");
    let mut damaged = whole.to_vec();
    // A byte of a weight: every length still fits.
    let weight = damaged.windows(7).position(|name| name == b"Float32").unwrap() + 12;
    damaged[weight] ^= 1;
    let error = parse(damaged.into()).unwrap_err();
    assert!(
        error.contains("its checksum is ") && error.contains("it is damaged"),
        "{error}"
    );

    let mut zip = fixture("pytorch/zip.pth").to_vec();
    let quarter = 0.25f32.to_le_bytes();
    let value = zip.windows(4).position(|bytes| bytes == quarter).unwrap();
    zip[value] ^= 1;
    let error = parse(zip.into()).unwrap_err();
    assert!(error.contains("is damaged: the checksum differs"), "{error}");
}

/// One protobuf field of a length: key, length, contents.
fn field(key: u8, contents: &[u8]) -> Vec<u8> {
    assert!(contents.len() < 128);
    [&[key, contents.len() as u8], contents].concat()
}

#[test]
fn impossible_lengths_are_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let error = parse(Bytes::copy_from_slice(bytes)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    // A message of 2^62 bytes, a tensor of 2^40 elements, a negative side.
    check(
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x3f",
        "is not a whole MindSpore checkpoint: the entry at byte 0 is broken",
    );
    let tensor = |dims: &[u8]| {
        let inner = [dims, &field(0x12, b"Float32"), &field(0x1a, &[0; 4])].concat();
        field(0x0a, &[field(0x0a, b"w"), field(0x12, &inner)].concat())
    };
    check(
        &tensor(&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]),
        "w has 4 bytes, which are not a tensor of shape [1099511627776]",
    );
    let negative = [&[0x08u8][..], &[0xff; 9], &[0x01]].concat();
    check(&tensor(&negative), "w has the shape [-1]");
    check(&field(0x0a, &field(0x0a, b"w")), "it has no name or no tensor");
    let twice = [tensor(&[0x08, 1]), tensor(&[0x08, 2])].concat();
    check(&twice, "w is there twice, with different shapes");
    // safetensors whose header says more than it has.
    let header = br#"{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    check(&file, "is not a whole safetensors file: ");
    let cut = [&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0][..], b"{"].concat();
    check(&cut, "its header is cut");
    check(
        &fixture("pytorch/compressed.pth"),
        "has the member archive/data.pkl, which is compressed, as PyTorch itself writes none; save it again",
    );
    check(&fixture("pytorch/no_pickle.pth"), "it has no data.pkl");
    check(
        &fixture("pytorch/zip.pth")[..900],
        "is not a whole PyTorch zip file: its end is missing; copy or download it again",
    );
    check(&fixture("pytorch/stream.pth")[..900], "is not a whole PyTorch file: ");
    check(
        b"\x80\x02]q\x00.",
        "is a pickle of Python that torch.save did not write",
    );
}

/// The header's length comes first, and its first byte is any: MindSpore's key, a pickle's first operation.
#[test]
fn safetensors_are_told_whatever_their_first_byte_is() {
    let mut first_bytes = std::collections::BTreeSet::new();
    for length in 0..600 {
        let name = "n".repeat(length);
        let file = safetensors::write([(name.clone(), &[1][..], &[1.0][..])], None).unwrap();
        first_bytes.insert(file[0]);
        assert_eq!(floats(&parse(file.into()).unwrap(), &name), (vec![1], vec![1.0]));
    }
    // Lengths are multiples of 8.
    assert_eq!(first_bytes.len(), 32);
}

#[test]
fn what_is_written_in_safetensors_comes_back() {
    let file = safetensors::write(
        [("a".to_owned(), &[2][..], &[1.0, f32::MIN][..])],
        Some(("k".into(), "v".into())),
    );
    let state = parse(file.unwrap().into()).unwrap();
    assert_eq!(floats(&state, "a"), (vec![2], vec![1.0, f32::MIN]));
    assert_eq!(
        (state.texts["k"].as_str(), state.tensors["a"].dtype()),
        ("v", DType::F32)
    );
}

/// A description takes memory many times its bytes; it is looked at before it is taken apart.
#[test]
fn mindspores_entries_are_bounded() {
    let varint = |mut length: usize| {
        let mut bytes = Vec::new();
        while length > 127 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        [bytes, vec![length as u8]].concat()
    };
    let long = |key: u8, contents: Vec<u8>| [vec![key], varint(contents.len()), contents].concat();
    let entry = |name: &[u8], dims: &[u8]| {
        let tensor = [dims, &field(0x12, b"Float32")].concat();
        long(0x0a, [long(0x0a, name.to_vec()), long(0x12, tensor)].concat())
    };
    let refusal = |bytes: Vec<u8>| parse(bytes.into()).unwrap_err();
    let sides = refusal(entry(b"w", &[0x08, 0].repeat(1 << 20)));
    assert!(
        sides.contains("it has 2097169 bytes beside its tensor's content"),
        "{sides}"
    );
    let name = refusal(entry(&[b'w'; 2000], &[]));
    assert!(name.contains("bytes beside its tensor's content"), "{name}");
    let pieces = refusal(entry(b"w", &[0x08, 0]).repeat((1 << 16) + 1));
    assert!(pieces.contains("it has more than 65536 entries"), "{pieces}");
}

/// A zip whose list of members has so many entries, all of one empty member.
fn zip(members: usize) -> Vec<u8> {
    let u16s = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let local = [b"PK\x03\x04".to_vec(), vec![0; 22], u16s(&[8, 0]), b"data.pkl".to_vec()].concat();
    let listed = |number: usize| {
        let name = format!("{number:08}");
        [
            b"PK\x01\x02".to_vec(),
            vec![0; 24],
            u16s(&[8, 0, 0, 0, 0, 0, 0]),
            vec![0; 4],
            name.into(),
        ]
        .concat()
    };
    let list: Vec<u8> = (0..members).flat_map(listed).collect();
    let (start, length) = (local.len() as u64, list.len() as u64);
    let at = start + length;
    let counts = [members as u64, members as u64, length, start]
        .map(u64::to_le_bytes)
        .concat();
    let end = [
        b"PK\x06\x06".to_vec(),
        44u64.to_le_bytes().to_vec(),
        vec![0; 12],
        counts,
    ]
    .concat();
    let locator = [
        b"PK\x06\x07\0\0\0\0".to_vec(),
        at.to_le_bytes().to_vec(),
        vec![1, 0, 0, 0],
    ]
    .concat();
    let last = [b"PK\x05\x06\0\0\0\0".to_vec(), vec![0xff; 12], vec![0, 0]].concat();
    [local, list, end, locator, last].concat()
}

#[test]
fn a_zips_members_are_bounded_before_they_are_listed() {
    let refusal = |members: usize| parse(zip(members).into()).unwrap_err();
    assert!(refusal(1000).contains("it has no data.pkl"), "{}", refusal(1000));
    let reason = refusal(32_769);
    assert!(reason.contains("it has more than 32768 members"), "{reason}");
    let reason = refusal(300_000);
    assert!(
        reason.contains("its list of members is longer than the limit of 4194304 bytes"),
        "{reason}"
    );
}

/// A text under many names is there once in the file, and would be there many times in memory.
#[test]
fn a_repeated_text_is_no_larger_than_the_file() {
    let text = |text: &str| [b"X".to_vec(), (text.len() as u32).to_le_bytes().to_vec(), text.into()].concat();
    let key = |number: usize| [text(&number.to_string()), b"h\x00".to_vec()].concat();
    let stream = |keys: usize| {
        let object = [
            text(&"x".repeat(10_000)),
            b"q\x000}(".to_vec(),
            (0..keys).flat_map(key).collect(),
            b"u.".to_vec(),
        ]
        .concat();
        [
            &b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."[..],
            b"\x80\x02M\xe9\x03.",
            b"\x80\x02}.",
            b"\x80\x02",
            &object,
            b"\x80\x02].",
        ]
        .concat()
    };
    assert_eq!(parse(stream(1).into()).unwrap().texts.len(), 1);
    let reason = parse(stream(100).into()).unwrap_err();
    assert!(reason.contains("repeats what the file holds"), "{reason}");
}
