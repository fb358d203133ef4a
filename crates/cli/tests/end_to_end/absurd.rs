//! Files that are whole and say what no run has written: settings of a later version, damaged ones, weights too large to compute with.

use std::collections::HashMap;
use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

const BEST: &str = "run/checkpoints/best.safetensors";

/// Copies a file of weights with a changed record and every value of the tensor `name` replaced; without checksums, as files of the
/// first days are.
pub(crate) fn changed(place: &Place, to: &str, record: impl Fn(&mut Value), (name, value): (&str, f32)) {
    let bytes = fs::read(place.path(BEST)).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let entry = &metadata.metadata().as_ref().unwrap()["mnasnet"];
    let mut entry: Value = serde_json::from_str(entry).unwrap();
    for sum in ["crc32", "sections"] {
        entry.as_object_mut().unwrap().remove(sum).unwrap();
    }
    record(&mut entry);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let filled: Vec<(String, Vec<u8>, Vec<usize>)> = file
        .iter()
        .map(|(of, tensor)| {
            let data = match of == name {
                true => value.to_le_bytes().repeat(tensor.data().len() / 4),
                false => tensor.data().to_vec(),
            };
            (of.to_owned(), data, tensor.shape().to_vec())
        })
        .collect();
    assert!(name.is_empty() || filled.iter().any(|(of, ..)| of == name));
    let views = filled
        .iter()
        .map(|(of, data, shape)| (of, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    let metadata = HashMap::from([("mnasnet".to_owned(), entry.to_string())]);
    fs::write(place.path(to), safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

fn set_config(text: &'static str) -> impl Fn(&mut Value) {
    move |record| {
        let config = record["config"].as_str().unwrap().to_owned();
        record["config"] = format!("{config}{text}").into();
    }
}

const SAME: (&str, f32) = ("", 0.0);

#[test]
fn settings_that_are_not_needed_do_not_matter_and_damaged_ones_are_the_files_fault() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let predict = |file: &str| format!("predict --weights {file} photos/val");
    let expected = place.done(&predict(BEST));
    changed(
        &place,
        "later.safetensors",
        set_config("a_setting_of_2030 = \"x\"\n"),
        SAME,
    );
    assert_eq!(place.done(&predict("later.safetensors")), expected);
    place.done("eval --weights later.safetensors --data photos");
    place.done("compare later.safetensors run/checkpoints/best.safetensors --data photos --tolerance 0");
    place.done("export --weights later.safetensors -o later.onnx");
    place.done(&predict("later.onnx"));
    place.done(&format!(
        "train {TINY} --epoch_size 1 --out other --init later.safetensors"
    ));
    // What is needed must be possible, and all of it TOML.
    changed(&place, "damaged.safetensors", set_config("oops = = 3\n"), SAME);
    let unknown = |record: &mut Value| record["config"] = "precision = \"f8\"\n".into();
    changed(&place, "unknown.safetensors", unknown, SAME);
    for file in ["damaged.safetensors", "unknown.safetensors"] {
        for arguments in [
            predict(file),
            format!("eval --weights {file} --data photos"),
            format!("compare {file} {BEST} --data photos"),
            format!("export --weights {file} -o out.onnx"),
        ] {
            refused(
                &place,
                &arguments,
                4,
                &format!("{file} holds settings that cannot be used: "),
            );
        }
    }
    // So must its network be, whose name may not lead a run out of its folder.
    let rows = r#"{"name":"../x","stem":8,"head":8,"blocks":[{"stage":0,"kind":"separable","kernel":3,"channels":8}]}"#;
    changed(&place, "rows.safetensors", |record| record["model"] = rows.into(), SAME);
    for arguments in [
        predict("rows.safetensors"),
        "eval --weights rows.safetensors --data photos".into(),
        "export --weights rows.safetensors -o out.onnx".into(),
        "convert rows.safetensors out.safetensors --to timm".into(),
    ] {
        refused(
            &place,
            &arguments,
            4,
            "rows.safetensors cannot be used: \"../x\", the variant: the name must",
        );
    }
    let init = format!("train {TINY} --out more --init damaged.safetensors");
    refused(
        &place,
        &init,
        4,
        "damaged.safetensors holds settings that cannot be used",
    );
    assert!(!place.path("out.onnx").exists() && !place.path("more").exists());
}

/// Every weight is a finite number; what they come to is not.
#[test]
fn what_is_no_number_is_no_result() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    changed(&place, "huge.safetensors", |_| (), ("classifier.weight", 3e38));
    changed(&place, "negative.safetensors", |_| (), ("bn1.running_var", -1.0));
    place.done("export --weights huge.safetensors -o huge.onnx");
    place.done("export --weights huge.safetensors -o softmax.onnx --softmax");
    let no_result = "for a photo, which is no result: its weights are too large to compute with; ";
    for file in ["huge.safetensors", "huge.onnx", "softmax.onnx"] {
        for arguments in [
            format!("predict --weights {file} photos/val"),
            format!("compare {file} {BEST} --data photos"),
            format!("compare {BEST} {file} --data photos"),
        ] {
            refused(&place, &arguments, 4, &format!("{file} computes "));
            refused(&place, &arguments, 4, no_result);
        }
    }
    refused(&place, "eval --weights huge.safetensors --data photos", 4, no_result);
    refused(&place, "eval-onnx --model huge.onnx --data photos", 4, no_result);
    let json = "predict --weights huge.safetensors photos/val --json";
    let (code, stdout, _) = place.run(json);
    assert!(
        code == 4 && stdout.starts_with("{\"error\":\"huge.safetensors computes "),
        "{stdout}"
    );
    for (arguments, message) in [
        (
            "convert negative.safetensors out.safetensors --recalibrate-bn photos",
            "negative.safetensors computes NaN",
        ),
        (
            "export --weights huge.safetensors -o none.onnx --precision int8 --calibrate photos",
            "logits comes to ",
        ),
        (
            "export --weights huge.safetensors -o out.onnx --check photos",
            "huge.safetensors computes ",
        ),
        (
            "export --weights negative.safetensors -o none.onnx",
            "comes to NaN: the weights are too large",
        ),
    ] {
        refused(&place, arguments, 4, message);
    }
    assert!(!place.path("out.safetensors").exists());
    assert!(!place.path("none.onnx").exists());
}

/// A writer that was killed leaves its part behind; the next one of the same file takes it away.
#[test]
fn parts_of_killed_writers_do_not_stay() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    fs::create_dir(place.path("out")).unwrap();
    for name in [".m.onnx.4000000.part", ".w.safetensors.4000000.part", ".other.part"] {
        fs::write(place.path("out").join(name), "cut").unwrap();
    }
    place.done(&format!("export --weights {BEST} -o out/m.onnx"));
    place.done(&format!("convert {BEST} out/w.safetensors"));
    assert_eq!(names(&place.path("out")), [".other.part", "m.onnx", "w.safetensors"]);
}

#[test]
fn a_record_that_asks_for_huge_photos_is_refused() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let huge = |record: &mut Value| {
        record["preprocessing"]["resolution"] = 4097.into();
        record["preprocessing"]["resize"] = 4097.into();
    };
    changed(&place, "huge.safetensors", huge, SAME);
    let message = "huge.safetensors holds an impossible record: resolution is 4097";
    refused(&place, "predict --weights huge.safetensors photos/val", 4, message);
    let batch = "bench infer --model mnasnet-b1 --batch 65536 --resolution 4096 --steps 1";
    let (code, _, stderr) = place.run(batch);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.starts_with("error: a batch of 65536 images of 4096 x 4096 pixels needs ")
            && stderr.ends_with("lower the batch size or the resolution\n"),
        "{stderr}"
    );
}

/// Commands that build the network of a file blame the file, not the command line.
#[test]
fn a_record_of_a_network_that_cannot_be_is_the_files_fault() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    let later = |record: &mut Value| record["model"] = "mnasnet-z".into();
    let wide = |record: &mut Value| record["width"] = 9.into();
    changed(&place, "later.safetensors", later, SAME);
    changed(&place, "wide.safetensors", wide, SAME);
    for (file, message) in [
        ("later.safetensors", "unknown model `mnasnet-z`"),
        ("wide.safetensors", "width multiplier 9 is out of range"),
    ] {
        let message = format!("{file} cannot be used: {message}");
        for arguments in [
            format!("predict --weights {file} photos/val"),
            format!("export --weights {file} -o out.onnx"),
            format!("convert {file} out.safetensors"),
        ] {
            refused(&place, &arguments, 4, &message);
        }
    }
}
