//! `mnasnet embed`: what is written, and what is not written over.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};

use crate::absurd::changed;

#[test]
fn vectors_are_rows_in_both_formats() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let report = place.json("embed photos -w run -o out/vectors.npy --json");
    assert_eq!((&report["photos"], &report["unreadable"]), (&33.into(), &0.into()));
    let channels = report["channels"].as_u64().unwrap() as usize;
    let bytes = fs::read(place.path("out/vectors.npy")).unwrap();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (33, {channels}), }}");
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00\x76\x00") && bytes[127] == b'\n');
    assert!(std::str::from_utf8(&bytes[10..128]).unwrap().starts_with(&header));
    assert_eq!(bytes.len(), 128 + 33 * channels * 4);
    let rows = fs::read_to_string(place.path("out/vectors.csv")).unwrap();
    assert_eq!(rows.lines().count(), 34);
    assert!(rows.lines().nth(1).unwrap().ends_with(",airplanes"), "{rows}");
    // The same again, and a photo by itself has the same numbers.
    place.done("embed photos -w run -o again.npy");
    assert_eq!(fs::read(place.path("again.npy")).unwrap(), bytes);
    place.done("embed photos/val/watch -w run -o few.npy");
    let few = fs::read(place.path("few.npy")).unwrap();
    let row = |bytes: &[u8], at: usize| bytes[128 + at * channels * 4..][..channels * 4].to_vec();
    assert_eq!(row(&few, 2), row(&bytes, 32));
    place.done("embed photos -w run -o vectors.parquet");
    assert_eq!(&fs::read(place.path("vectors.parquet")).unwrap()[..4], b"PAR1");
    // One that cannot be read is told, and the others are done.
    fs::write(place.path("photos/val/watch/bad.jpg"), "no photo").unwrap();
    let (code, stdout, stderr) = place.run("embed photos -w run -o again.npy --json");
    assert!(code == 3 && stderr.contains("bad.jpg"), "{code} {stderr}");
    assert!(
        stdout.contains("\"photos\":33,") && stdout.contains("\"unreadable\":1"),
        "{stdout}"
    );
    refused(
        &place,
        "embed photos -w run -o vectors.txt",
        2,
        "give FILE.npy or FILE.parquet",
    );
    refused(
        &place,
        "embed photos -w run -o photos/vectors.npy",
        2,
        "lies in the set",
    );
}

#[test]
fn what_is_read_and_what_others_wrote_stays() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let photo = &names(&place.path("photos/val/watch"))[0];
    let table = format!("image,label\nphotos/val/watch/{photo},watch\n");
    fs::write(place.path("table.csv"), &table).unwrap();
    fs::write(place.path("notes.csv"), "photo,remark\na,b\n").unwrap();
    // The table that is read, though it looks as a list of rows does; and that of others.
    refused(
        &place,
        "embed table.csv -w run -o table.npy --overwrite",
        2,
        "table.csv is what is read; give what is written another name; it would list the rows of table.npy",
    );
    for list in ["table", "notes"] {
        refused(
            &place,
            &format!("embed photos -w run -o {list}.npy"),
            2,
            &format!("{list}.csv is there, and it does not say that this program wrote it; give another name, or"),
        );
    }
    refused(
        &place,
        "embed photos -w run -o run/metrics.npy --overwrite",
        2,
        "metrics.csv belongs to the run in",
    );
    for other in ["other.npy", "other.parquet"] {
        fs::write(place.path(other), "not ours").unwrap();
        refused(
            &place,
            &format!("embed photos -w run -o {other}"),
            2,
            "replace it by `--overwrite`",
        );
        assert_eq!(fs::read(place.path(other)).unwrap(), b"not ours");
    }
    assert_eq!(fs::read_to_string(place.path("table.csv")).unwrap(), table);
    assert!(!place.path("table.npy").exists() && !place.path("notes.npy").exists());
    // Ours is replaced, and others' where that is asked for.
    place.done("embed table.csv -w run -o other.npy --overwrite");
    let few = fs::metadata(place.path("other.npy")).unwrap().len();
    place.done("embed photos -w run -o other.npy");
    assert!(fs::metadata(place.path("other.npy")).unwrap().len() > few);
    place.done("embed table.csv -w run -o other.parquet --overwrite");
    place.done("embed photos -w run -o other.parquet");
}

#[test]
fn weights_that_compute_no_numbers_leave_no_vectors() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    changed(&place, "huge.safetensors", |_| (), ("bn2.weight", 3e38));
    let before = names(place.folder.path());
    let no_result = "for a photo, which is no result: its weights are too large to compute with; ";
    for file in ["vectors.npy", "vectors.parquet"] {
        refused(
            &place,
            &format!("embed photos -w huge.safetensors -o {file}"),
            4,
            no_result,
        );
    }
    assert_eq!(names(place.folder.path()), before);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_and_parts_of_killed_ones_go() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let photo = &names(&place.path("photos/val/watch"))[0];
    let row = format!("photos/val/watch/{photo},watch\n");
    fs::write(place.path("table.csv"), format!("image,label\n{}", row.repeat(100_000))).unwrap();
    fs::create_dir(place.path("out")).unwrap();
    for (name, code) in [("-KILL", None), ("-INT", Some(130))] {
        let mut child = spawn(&place, "embed table.csv -w run -o out/vectors.npy");
        let is_part = |name: &String| name.starts_with(".vectors.npy.") && name.ends_with(".part");
        let grows = |name: &String| fs::metadata(place.path("out").join(name)).is_ok_and(|file| file.len() > 1 << 14);
        let own = format!(".vectors.npy.{}.part", child.id());
        wait_for(&mut child, || grows(&own));
        // That of the one that was killed is gone.
        assert_eq!(names(&place.path("out")).iter().filter(|name| is_part(name)).count(), 1);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), code, "{stderr}");
        assert_eq!(
            stderr.contains("interrupted; nothing was written"),
            code.is_some(),
            "{stderr}"
        );
    }
    assert!(names(&place.path("out")).is_empty(), "{:?}", names(&place.path("out")));
}
