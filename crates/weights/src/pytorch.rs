//! PyTorch's files: a zip with a pickle and one member a storage, or the older stream of pickles with storages behind it.

mod write;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use bytes::{Buf, Bytes, BytesMut};
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

pub use self::write::{Values, write};
use crate::file::Refusal;
use crate::pickle::{MAX_PICKLE, Pickle, Value, View};
use crate::state::elements;
use crate::{Container, State, TensorData};

/// Members of a zip; a training run has one a tensor, some 900.
const MAX_MEMBERS: usize = 1 << 15;
/// Bytes that are read to find the members: each has some 90 in the list at the end of the file and before its data.
const MAX_DIRECTORY: usize = 4 << 20;
/// Levels of dictionaries that are looked into, and values that are looked at; a training run has some 2000.
const MAX_DEPTH: usize = 8;
const MAX_VISITS: usize = 1 << 15;
/// Characters of a key; those of weights have some 30.
const MAX_KEY: usize = 128;

/// Reads a zip file's bytes.
///
/// # Errors
/// What is wrong with them.
pub fn read_zip(bytes: &Bytes) -> Result<State, Refusal> {
    let directory = Metered {
        bytes: Cursor::new(bytes.clone()),
        left: MAX_DIRECTORY,
    };
    // PyTorch's archives begin with the file. A guess from the directory's length is wrong by the zip64 records behind it, and
    // is believed where a member's name happens to be as long.
    let config = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut archive = ZipArchive::with_config(config, directory).map_err(|error| error.to_string())?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("it has more than {MAX_MEMBERS} members").into());
    }
    if let Some(kind) = another(&archive) {
        return Err(Refusal::Another(kind.into()));
    }
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        let name = member.name().map_err(|error| error.to_string())?.into_owned();
        if member.compression() != CompressionMethod::Stored {
            return Err(Refusal::Another(format!(
                "has the member {name}, which is compressed, as PyTorch itself writes none; save it again in Python: \
                 torch.save(torch.load(FILE), \"weights.pth\")"
            )));
        }
        let start = member.data_start().and_then(|start| usize::try_from(start).ok());
        let end = start.and_then(|start| start.checked_add(usize::try_from(member.size()).ok()?));
        let range = start.zip(end).filter(|&(_, end)| end <= bytes.len());
        let (start, end) = range.ok_or_else(|| format!("its member {name} lies outside of it"))?;
        let found = Member {
            bytes: bytes.slice(start..end),
            checksum: member.crc32(),
        };
        members.insert(name, found);
    }
    let path = members
        .keys()
        .find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"))
        .cloned();
    let path = path.ok_or_else(|| {
        let reason = "is a zip archive, but no file of weights: it has no data.pkl, where PyTorch's have what they hold. \
            If the weights lie packed in it, unpack it first";
        Refusal::Another(reason.into())
    })?;
    let folder = &path[..path.len() - "data.pkl".len()];
    let member = |name: &str| {
        members
            .get(&format!("{folder}{name}"))
            .map(|member| member.whole(name))
            .transpose()
    };
    if member("byteorder")?.is_some_and(|order| &order[..] != b"little") {
        return Err("it was written on a big-endian machine".to_owned().into());
    }
    let program = member("data.pkl")?.ok_or_else(|| "it has no data.pkl".to_owned())?;
    if program.len() > MAX_PICKLE {
        return Err(format!(
            "its pickle has {} bytes, more than the limit of {MAX_PICKLE}",
            program.len()
        )
        .into());
    }
    let pickle = Pickle::load(&program)?;
    let storage = |key: &str| member(&format!("data/{key}"))?.ok_or_else(|| format!("its storage {key:?} is missing"));
    Ok(flatten(Container::PytorchZip, &pickle, bytes.len(), storage)?)
}

/// Ends of members' names, all of which a zip of another kind has, and what the zip is.
const KINDS: &[(&[&str], &str)] = &[
    (
        &["/constants.pkl", ".py"],
        "is TorchScript, a program with weights inside, which is not run here; save the weights alone in Python: \
         torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")",
    ),
    (&["/archive_format", ".json"], PROGRAM),
    (&["serialized_exported_program.json"], PROGRAM),
    (
        &["config.json", "model.weights.h5"],
        "is a Keras model, which is not read here; write the model as ONNX in Python, which eval, predict and compare take: \
         model = keras.saving.load_model(FILE); model(keras.ops.zeros((1, 224, 224, 3))); model.export(\"model.onnx\", format=\"onnx\")",
    ),
    (
        &[".npy"],
        "is an archive of NumPy arrays, which is not read here; write the arrays as safetensors in Python: \
         safetensors.numpy.save_file(dict(numpy.load(FILE)), \"weights.safetensors\")",
    ),
];

const PROGRAM: &str = "is a program of torch.export, which is not run here; save the weights alone in Python: \
    torch.save(torch.export.load(FILE).state_dict, \"weights.pth\")";

/// What a zip is that is none of weights, where the members' names tell.
fn another<R: Read + Seek>(archive: &ZipArchive<R>) -> Option<&'static str> {
    let names: Vec<&[u8]> = archive.file_names_raw().collect();
    let has = |end: &&str| names.iter().any(|name| name.ends_with(end.as_bytes()));
    let kind = KINDS.iter().find(|(ends, _)| ends.iter().all(has));
    kind.map(|(_, what)| *what)
}

/// A file of which so much may be read. What a zip says of its members takes memory many times its bytes before they can be counted.
struct Metered {
    bytes: Cursor<Bytes>,
    left: usize,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::other(format!(
                "its list of members is longer than the limit of {MAX_DIRECTORY} bytes"
            ))
        })?;
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// A member of a zip: a slice of the file.
struct Member {
    bytes: Bytes,
    checksum: u32,
}

impl Member {
    fn whole(&self, name: &str) -> Result<Bytes, String> {
        if crc32fast::hash(&self.bytes) != self.checksum {
            return Err(format!("its member {name} is damaged: the checksum differs"));
        }
        Ok(self.bytes.clone())
    }
}

/// Reads the bytes of the older stream: magic number, version, a description of the machine, the object, the storages' keys,
/// then each storage with its number of elements before it.
///
/// # Errors
/// What is wrong with them.
pub fn read_stream(bytes: &Bytes) -> Result<State, Refusal> {
    /// The magic number as PyTorch pickles it.
    const MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    let mut rest = bytes.clone();
    if !rest[2.min(rest.len())..].starts_with(MAGIC) {
        return Err(Refusal::Another(
            "is a pickle of Python that torch.save did not write, which is not read here; save the weights in Python: \
             torch.save(model.state_dict(), \"weights.pth\")"
                .into(),
        ));
    }
    let mut next = || -> Result<Pickle, Refusal> {
        let pickle = Pickle::load(&rest)?;
        rest.advance(pickle.length);
        Ok(pickle)
    };
    let (_magic, _version, machine, object, keys) = (next()?, next()?, next()?, next()?, next()?);
    let entries = machine.dict(&machine.root).unwrap_or_default();
    let big_endian = |(key, value): &(Value, Value)| {
        matches!(key, Value::Text(key) if &**key == "little_endian") && matches!(value, Value::Bool(false))
    };
    if entries.iter().any(big_endian) {
        return Err("it was written on a big-endian machine".to_owned().into());
    }
    let sizes = sizes(&object)?;
    let storages = storages(&keys, &sizes, rest)?;
    let storage = |key: &str| {
        storages
            .get(key)
            .cloned()
            .ok_or_else(|| format!("its storage {key:?} is missing"))
    };
    Ok(flatten(Container::PytorchStream, &object, bytes.len(), storage)?)
}

/// The storages behind the pickles of the older stream, by key.
fn storages(keys: &Pickle, sizes: &HashMap<String, usize>, mut rest: Bytes) -> Result<HashMap<String, Bytes>, String> {
    let mut storages = HashMap::new();
    for key in keys.list(&keys.root).ok_or("it has no list of storages")? {
        let Value::Text(key) = key else {
            return Err("it has a storage without a name".into());
        };
        let size = sizes
            .get(&**key)
            .ok_or_else(|| format!("its storage {key:?} belongs to no tensor"))?;
        let count = rest.try_get_u64_le().map_err(|_| "its storages are cut")?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(*size));
        let length = length.filter(|&length| length <= rest.len());
        let length = length.ok_or_else(|| format!("its storage {key:?} is cut"))?;
        storages.insert(key.to_string(), rest.split_to(length));
    }
    Ok(storages)
}

/// Bytes of an element of each storage that a tensor lies in.
fn sizes(pickle: &Pickle) -> Result<HashMap<String, usize>, String> {
    let mut sizes = HashMap::new();
    walk(pickle, |_, value| {
        if let Value::Tensor(view) = value {
            sizes.insert(view.storage.to_string(), view.dtype.size());
        }
        Ok(())
    })?;
    Ok(sizes)
}

/// Tensors and texts under dotted names.
fn flatten(
    container: Container,
    pickle: &Pickle,
    file: usize,
    storage: impl Fn(&str) -> Result<Bytes, String>,
) -> Result<State, String> {
    let (mut tensors, mut texts, mut classes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    // A storage may back several tensors; its checksum is taken once. Copies, of texts too, may not make more of the file than it is.
    let mut known: HashMap<String, Bytes> = HashMap::new();
    let mut copied = 0;
    walk(pickle, |name, value| {
        match value {
            Value::Tensor(view) => {
                let bytes = match known.get(&*view.storage) {
                    Some(bytes) => bytes.clone(),
                    None => known
                        .entry(view.storage.to_string())
                        .or_insert(storage(&view.storage)?)
                        .clone(),
                };
                let tensor = cut(view, &bytes, &mut copied, file).map_err(|reason| format!("{name} {reason}"))?;
                tensors.insert(name, tensor);
            }
            Value::Text(text) => {
                spend(&mut copied, text.len(), file, &name)?;
                texts.insert(name, text.to_string());
            }
            Value::Int(number) => drop(texts.insert(name, number.to_string())),
            Value::Float(number) => drop(texts.insert(name, number.to_string())),
            Value::List(_) | Value::Dict(_) => {
                let key = name.rsplit('.').next().unwrap_or_default();
                if let Some(names) = CLASSES.contains(&key).then(|| pickle.names(value)).flatten() {
                    let bytes = names.iter().map(|name| name.len() + size_of::<String>()).sum();
                    spend(&mut copied, bytes, file, &name)?;
                    classes.insert(name, names.into_iter().map(str::to_owned).collect());
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(State {
        container,
        tensors,
        texts,
        classes,
    })
}

/// Copies of a text may not make more of the file than it is.
fn spend(copied: &mut usize, bytes: usize, file: usize, name: &str) -> Result<(), String> {
    *copied = copied.saturating_add(bytes);
    match *copied > file {
        true => Err(format!("{name} repeats what the file holds")),
        false => Ok(()),
    }
}

/// What training scripts call the names of classes.
const CLASSES: &[&str] = &[
    "classes",
    "class_names",
    "class_to_idx",
    "idx_to_class",
    "label_names",
    "labels",
    "id2label",
    "label2id",
    "categories",
    "names",
];

/// Calls `leaf` with every value that lies in dictionaries under texts, the dictionaries and lists too, and with its dotted name.
fn walk(pickle: &Pickle, mut leaf: impl FnMut(String, &Value) -> Result<(), String>) -> Result<(), String> {
    let mut left = MAX_VISITS;
    let mut open = vec![(String::new(), &pickle.root, 0)];
    while let Some((name, value, depth)) = open.pop() {
        let inner = |key: &str| {
            if name.is_empty() {
                key.to_owned()
            } else {
                format!("{name}.{key}")
            }
        };
        if matches!(value, Value::Dict(_) | Value::List(_)) {
            leaf(name.clone(), value)?;
        }
        match value {
            Value::Dict(_) if depth == MAX_DEPTH => {}
            Value::Dict(_) => {
                for (key, value) in pickle.dict(value).unwrap_or_default() {
                    left = left.checked_sub(1).ok_or("its pickle has too many values")?;
                    if let Value::Text(key) = key
                        && key.len() <= MAX_KEY
                    {
                        open.push((inner(key), value, depth + 1));
                    }
                }
            }
            // Weights have names; numbered tensors are an optimizer's.
            Value::List(_) => {}
            value => leaf(name, value)?,
        }
    }
    Ok(())
}

/// A tensor's part of its storage: a slice where it is contiguous, else a copy.
fn cut(view: &View, storage: &Bytes, copied: &mut usize, file: usize) -> Result<TensorData, String> {
    let size = view.dtype.size();
    let outside = || format!("of shape {:?} lies outside of its storage", view.shape);
    let count = elements(&view.shape).ok_or_else(outside)?;
    let bytes = count.checked_mul(size).ok_or_else(outside)?;
    let start = view.offset.checked_mul(size).ok_or_else(outside)?;
    if count == 0 {
        return TensorData::new(view.dtype, view.shape.clone(), Bytes::new());
    }
    let mut step = 1;
    let contiguous = view.shape.iter().zip(&view.strides).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == step;
        step *= side;
        fits
    });
    if contiguous {
        let end = start
            .checked_add(bytes)
            .filter(|&end| end <= storage.len())
            .ok_or_else(outside)?;
        return TensorData::new(view.dtype, view.shape.clone(), storage.slice(start..end));
    }
    // The last element is the farthest.
    let reach = view
        .shape
        .iter()
        .zip(&view.strides)
        .try_fold(view.offset, |reach, (&side, &stride)| {
            reach.checked_add((side - 1).checked_mul(stride)?)
        });
    let end = reach.and_then(|reach| reach.checked_add(1)?.checked_mul(size));
    end.filter(|&end| end <= storage.len()).ok_or_else(outside)?;
    *copied = copied.saturating_add(bytes);
    if *copied > file {
        return Err("repeats what its storage holds".into());
    }
    let mut data = BytesMut::with_capacity(bytes);
    let mut index = vec![0; view.shape.len()];
    for _ in 0..count {
        let element = view.offset
            + index
                .iter()
                .zip(&view.strides)
                .map(|(i, stride)| i * stride)
                .sum::<usize>();
        data.extend_from_slice(&storage[element * size..(element + 1) * size]);
        for (i, &side) in index.iter_mut().zip(&view.shape).rev() {
            *i += 1;
            if *i < side {
                break;
            }
            *i = 0;
        }
    }
    TensorData::new(view.dtype, view.shape.clone(), data.freeze())
}
