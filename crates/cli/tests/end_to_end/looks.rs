//! What a network makes of photos: heat maps and neighbours.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY};
use serde_json::Value;

use crate::absurd::changed;

#[test]
fn heat_maps_lie_beside_each_other_and_nothing_is_written_over() {
    let place = Place::three_classes();
    // A map of 3 x 3 positions.
    let flags = TINY.replace("--resolution 32", "--resolution 96");
    place.done(&format!("train {flags} --out run"));
    let draw = |flags: &str| place.json_lines(&format!("predict -w run photos/val --json --heatmap {flags}"));
    let said = draw("heat");
    let plain = place.json_lines("predict -w run photos/val --json");
    let mut pictures = Vec::new();
    for (said, plain) in said.iter().zip(&plain) {
        assert_eq!(said["top"], plain["top"]);
        let picture = said["heatmap"].as_str().unwrap().to_owned();
        let bytes = fs::read(place.path(&picture)).unwrap();
        // The side that the network sees, in the header of a PNG.
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(bytes[16..24], [0, 0, 0, 96, 0, 0, 0, 96]);
        pictures.push(picture);
    }
    pictures.sort();
    pictures.dedup();
    assert_eq!(pictures.len(), 9);
    // Again: the same pictures. Of another class, or of another layer: others, beside them.
    assert_eq!(draw("heat"), said);
    assert_eq!(names(&place.path("heat")).len(), 9);
    let of_class = draw("heat --heatmap-class watch");
    let mut others = 0;
    for (plain, (said, of_class)) in plain.iter().zip(said.iter().zip(&of_class)) {
        let is_same = said["heatmap"] == of_class["heatmap"];
        assert!(is_same || plain["top"][0]["class"] != "watch", "{of_class}");
        others += usize::from(!is_same);
    }
    assert!(others > 0 && names(&place.path("heat")).len() == 9 + others);
    draw("layer --heatmap-layer blocks.2.0");
    let same = names(&place.path("layer")).into_iter().filter(|name| {
        let [of_layer, of_class] = ["layer", "heat"].map(|folder| place.path(folder).join(name));
        fs::read(of_layer).unwrap() == fs::read(of_class).unwrap_or_default()
    });
    assert!(same.count() < 9);
    let table = place.done("predict -w run photos/val/watch --heatmap heat");
    assert_eq!(table.matches("\n  heat map: heat/").count(), 3);
    place.done("export run -o model.onnx");
    for (flags, code, message) in [
        ("-w run photos/val --heatmap photos/val/heat", 2, "lies in the set"),
        (
            "-w run photos/val --heatmap out --heatmap-class cat",
            2,
            "tells no class \"cat\"",
        ),
        (
            "-w run photos/val --heatmap out --heatmap-layer pool",
            2,
            "has no layer \"pool\" with a map; say one of conv_stem, blocks.0.0",
        ),
        ("-w run photos/val --heatmap-layer blocks.1", 2, "--heatmap"),
        (
            "-w model.onnx photos/val --heatmap out",
            2,
            "is an ONNX model, and heat maps are made of a file of weights",
        ),
    ] {
        refused(&place, &format!("predict {flags}"), code, message);
    }
}

#[test]
fn copies_are_found_by_what_they_look_like() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let photo = &names(&place.path("photos/val/watch"))[0];
    // The same photo in other bytes, in the other split and in another class.
    let mut bytes = fs::read(place.path(&format!("photos/val/watch/{photo}"))).unwrap();
    bytes.extend(b"more");
    fs::write(place.path("photos/train/leopards/copy.jpg"), bytes).unwrap();
    let report = place.json("data check photos --weights run --json");
    assert_eq!(
        (&report["clean"], &report["compared"], &report["of"]),
        (&true.into(), &34.into(), &34.into())
    );
    let pairs = report["near_duplicates"].as_array().unwrap();
    let is_copy = |pair: &&Value| pair["images"][0].as_str().unwrap().ends_with("leopards/copy.jpg");
    let pair = pairs.iter().find(is_copy).unwrap_or_else(|| panic!("{report}"));
    assert!(pair["images"][1].as_str().unwrap().ends_with(photo), "{pair}");
    assert_eq!(pair["splits"], serde_json::json!(["train", "val"]));
    assert!(pair["similarity"].as_f64().unwrap() > 0.9999);
    assert_eq!(pair["labels"], serde_json::json!(["leopards", "watch"]));
    let told = place.done("data check photos --weights run");
    assert!(
        told.contains("  nearly the same photo: ")
            && told.contains(", in both splits, in two classes: leopards and watch)"),
        "{told}"
    );
    // The last line does not take back what was told.
    assert!(told.ends_with("\nclean, but for the guesses above\n"), "{told}");
    assert!(place.done("data check photos").ends_with("\nclean\n"));
    assert!(place.json("data check photos --json").get("suspects").is_none());
    refused(&place, "data check photos --weights none", 4, "none");
}

/// A label is judged where the class's own photos could speak for it.
#[test]
fn classes_of_few_photos_are_not_accused() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --out run"));
    let judged = place.json("data check photos --weights run --json");
    assert_eq!(judged["not_judged"], 0, "{judged}");
    // Copies of photos of other classes, in a class of their own: their nearest are all of another class.
    let few = place.path("photos/train/few");
    fs::create_dir(&few).unwrap();
    let others = names(&place.path("photos/train/watch"));
    for (at, other) in others.iter().enumerate() {
        let mut bytes = fs::read(place.path(&format!("photos/train/watch/{other}"))).unwrap();
        bytes.extend(b"more");
        fs::write(few.join(format!("{at}.jpg")), bytes).unwrap();
    }
    let report = place.json("data check photos --weights run --json");
    assert_eq!(report["not_judged"], 8, "{report}");
    let accused = report["suspects"].as_array().unwrap();
    assert!(accused.iter().all(|one| one["label"] != "few"), "{report}");
    let told = place.done("data check photos --weights run");
    assert!(
        told.contains("  labels that are not judged: 8 of 41 (it takes 10 other photos, 8 of the same class"),
        "{told}"
    );
    // One that is broken is no sample.
    fs::write(few.join("0.jpg"), "no photo").unwrap();
    let (code, told, stderr) = place.run("data check photos --weights run");
    assert!(code == 3 && told.ends_with("\nnot clean\n"), "{told}{stderr}");
    assert!(!told.contains("compared:"), "{told}");
}

#[test]
fn vectors_that_are_no_numbers_or_all_zero_give_no_verdict() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    changed(&place, "huge.safetensors", |_| (), ("bn2.weight", 3e38));
    changed(&place, "zero.safetensors", |_| (), ("bn2.bias", -1e30));
    let no_result = "for a photo, which is no result: its weights are too large to compute with; ";
    refused(&place, "data check photos --weights huge.safetensors", 4, no_result);
    let photo = &names(&place.path("photos/val/watch"))[0];
    let mut bytes = fs::read(place.path(&format!("photos/val/watch/{photo}"))).unwrap();
    bytes.extend(b"more");
    fs::write(place.path("photos/train/leopards/copy.jpg"), bytes).unwrap();
    let report = place.json("data check photos --weights zero.safetensors --json");
    let none = serde_json::json!([]);
    assert_eq!((&report["compared"], &report["not_judged"]), (&34.into(), &34.into()));
    assert_eq!((&report["suspects"], &report["near_duplicates"]), (&none, &none));
    let told = place.done("data check photos --weights zero.safetensors");
    assert!(told.contains("labels that are not judged: 34 of 34"), "{told}");
}

/// What a note says of flags, the command takes.
#[test]
fn flags_say_how_another_programs_weights_see_photos() {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    place.done("convert run/checkpoints/best.safetensors other.pth --to timm");
    let check = "data check photos --weights other.pth --json";
    let found = |flags: &str| {
        let (code, stdout, stderr) = place.run(&format!("{check} {flags}"));
        assert_eq!(code, 0, "{stderr}");
        (serde_json::from_str::<Value>(&stdout).unwrap(), stderr)
    };
    let (plain, note) = found("");
    let (resized, noted) = found("--resolution 64 --resize 96");
    assert!(note.contains("--resize, --crop-ratio"), "{note}");
    assert!(noted.contains("to a shorter side of 96, the middle 64 x 64"), "{noted}");
    assert_eq!(plain["compared"], resized["compared"]);
    refused(
        &place,
        "data check photos --resize 96",
        2,
        "--resize says how the model of --weights sees photos, and --weights is not given",
    );
}
