//! Reads the engine's golden fixtures. NumPy's files hold little-endian `f4` and `i4` arrays in C order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// An array in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<T>,
}

/// A type of four bytes that the fixtures hold.
pub trait Element: Sized {
    /// NumPy's name of the type.
    const DESCR: &'static str;
    /// The value of little-endian bytes.
    fn from_bytes(bytes: [u8; 4]) -> Self;
}

impl Element for f32 {
    const DESCR: &'static str = "'<f4'";
    fn from_bytes(bytes: [u8; 4]) -> Self {
        f32::from_le_bytes(bytes)
    }
}

impl Element for i32 {
    const DESCR: &'static str = "'<i4'";
    fn from_bytes(bytes: [u8; 4]) -> Self {
        i32::from_le_bytes(bytes)
    }
}

/// Path of a fixture, e.g. `b_train/labels.npy`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../engine/tests/fixtures")
        .join(name)
}

fn open(name: &str) -> BufReader<File> {
    BufReader::new(File::open(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// A fixture that is JSON.
pub fn json(name: &str) -> serde_json::Value {
    serde_json::from_reader(open(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The array of a `.npy` file.
pub fn npy<T: Element>(name: &str) -> Array<T> {
    array(open(name), name)
}

/// The arrays of a folder of `.npy` files (an unpacked `.npz`) by their names, without `.npy`.
pub fn folder<T: Element>(name: &str) -> BTreeMap<String, Array<T>> {
    let entries = fixture(name)
        .read_dir()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files
        .map(|file| (file.trim_end_matches(".npy").to_owned(), npy(&format!("{name}/{file}"))))
        .collect()
}

/// Version 1 of the format: magic, version, `u16` length of the header, the header (a Python dictionary), the values.
fn array<T: Element>(mut file: impl Read, name: &str) -> Array<T> {
    let mut start = [0; 10];
    file.read_exact(&mut start).unwrap();
    assert_eq!(&start[..8], b"\x93NUMPY\x01\x00", "{name} is no version 1 NumPy file");
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    file.read_exact(&mut header).unwrap();
    let header = String::from_utf8(header).unwrap();
    assert!(
        header.contains(T::DESCR) && header.contains("'fortran_order': False"),
        "{name}: {header}"
    );
    let axes = header.split(['(', ')']).nth(1).unwrap().split(',').map(str::trim);
    let shape: Vec<usize> = axes.filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(
        bytes.len(),
        4 * shape.iter().product::<usize>(),
        "{name} has another length than its header says"
    );
    let values = bytes
        .chunks_exact(4)
        .map(|b| T::from_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Array { shape, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers() {
        assert_eq!(
            npy::<i32>("b_train/labels.npy"),
            Array {
                shape: vec![4],
                values: vec![3, 999, 0, 517]
            }
        );
    }

    #[test]
    fn reads_floats_as_the_json_beside_them_lists_them() {
        let listed = json("b_train/grads_step1.json");
        let arrays = folder::<f32>("b_train/grads_step1_full");
        assert_eq!(arrays.len(), 13);
        assert_eq!(arrays["features.0.conv.weight"].shape, [32, 3, 3, 3]);
        for (name, array) in arrays {
            let first: Vec<f32> = array.values[..4].to_vec();
            let expected: Vec<f32> = listed[&name]["first4"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap() as f32)
                .collect();
            assert_eq!(first, expected, "{name}");
        }
    }
}
