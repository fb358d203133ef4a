//! PyTorch's zip file, written: a `state_dict` that `torch.load` takes with `weights_only`, and `load_state_dict` as its own.

use std::io::{Cursor, Write};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What a tensor holds.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// float32.
    Floats(&'a [f32]),
    /// A scalar of int64.
    Integer(i64),
}

/// The members of the zip lie in a folder; PyTorch names it after the file.
const FOLDER: &str = "archive";
/// PyTorch begins each member at a multiple of so many bytes, so that it can be mapped.
const ALIGNMENT: u16 = 64;

/// The bytes of a file with these tensors, `(name, shape, values)`, in this order. `versions` are the modules' own, by the name
/// of the module, which `load_state_dict` reads: torchvision's MNASNet refuses a file without.
///
/// # Errors
/// What the format cannot hold.
pub fn write<'a>(
    tensors: impl IntoIterator<Item = (String, &'a [usize], Values<'a>)>,
    versions: &[(String, u8)],
) -> Result<Vec<u8>, String> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    let program = program(&tensors, versions)?;
    archive(&program, &tensors).map_err(|error| error.to_string())
}

fn archive(program: &[u8], tensors: &[(String, &[usize], Values)]) -> ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut member = |name: &str, contents: &[u8]| {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT);
        zip.start_file(format!("{FOLDER}/{name}"), options)?;
        ZipResult::Ok(zip.write_all(contents)?)
    };
    member("data.pkl", program)?;
    member(".format_version", b"1")?;
    member(".storage_alignment", ALIGNMENT.to_string().as_bytes())?;
    member("byteorder", b"little")?;
    for (key, (_, _, values)) in tensors.iter().enumerate() {
        let name = format!("data/{key}");
        match values {
            Values::Floats(values) => member(&name, &crate::safetensors::bytes(values))?,
            Values::Integer(value) => member(&name, &value.to_le_bytes())?,
        }
    }
    member("version", b"3\n")?;
    Ok(zip.finish()?.into_inner())
}

/// The pickle: an ordered dictionary of tensors, each a window into a storage of its own, and the versions as its attribute.
fn program(tensors: &[(String, &[usize], Values)], versions: &[(String, u8)]) -> Result<Vec<u8>, String> {
    const ORDERED: &[u8] = b"ccollections\nOrderedDict\n)R";
    let mut out = [b"\x80\x02", ORDERED, b"("].concat();
    for (key, (name, shape, values)) in tensors.iter().enumerate() {
        let (storage, count) = match values {
            Values::Floats(values) => ("FloatStorage", values.len()),
            Values::Integer(_) => ("LongStorage", 1),
        };
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{storage}\n").bytes());
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        integer(&mut out, count)?;
        // The end of the storage's description, the storage, and where in it the tensor begins.
        out.extend(b"tQK\0");
        let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product());
        tuple(&mut out, shape.iter().copied())?;
        tuple(&mut out, strides)?;
        // It asks for no gradient and has no hooks.
        out.push(0x89);
        out.extend(ORDERED);
        out.extend(b"tR");
    }
    out.extend(b"u}");
    text(&mut out, "_metadata");
    out.extend(ORDERED);
    out.push(b'(');
    for (module, version) in versions {
        text(&mut out, module);
        out.push(b'}');
        text(&mut out, "version");
        out.extend([b'K', *version, b's']);
    }
    out.extend(b"usb.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

fn integer(out: &mut Vec<u8>, value: usize) -> Result<(), String> {
    let value =
        i32::try_from(value).map_err(|_| format!("a tensor of {value} elements is too large for its pickle"))?;
    out.push(b'J');
    out.extend(value.to_le_bytes());
    Ok(())
}

fn tuple(out: &mut Vec<u8>, values: impl Iterator<Item = usize>) -> Result<(), String> {
    out.push(b'(');
    for value in values {
        integer(out, value)?;
    }
    out.push(b't');
    Ok(())
}
