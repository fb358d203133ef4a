//! Photos without labels where none are used; weights without names where names would be needed.

use std::fs;

use mnasnet_testing::place::{names, refused};
use mnasnet_testing::{Place, TINY};

/// A run, and its validation photos in one folder.
fn run() -> Place {
    let place = Place::three_classes();
    place.done(&format!("train {TINY} --epoch_size 1 --out run"));
    fs::create_dir_all(place.path("loose")).unwrap();
    for class in ["airplanes", "leopards", "watch"] {
        let folder = place.path(&format!("photos/val/{class}"));
        for name in names(&folder) {
            fs::copy(folder.join(&name), place.path(&format!("loose/{class}-{name}"))).unwrap();
        }
    }
    place
}

const WEIGHTS: &str = "run/checkpoints/best.safetensors";

#[test]
fn calibration_comparison_and_batch_norm_need_no_labels() {
    let place = run();
    place.done(&format!(
        "export --weights {WEIGHTS} -o int8.onnx --precision int8 --calibrate loose"
    ));
    place.done(&format!("convert {WEIGHTS} again.safetensors --recalibrate-bn loose"));
    let report = place.json(&format!("compare {WEIGHTS} again.safetensors --data loose --json"));
    assert_eq!(report["images"], 9);
    assert!(
        report["a"]["top1"].is_null() && report["agreement"].is_number(),
        "{report}"
    );
    let (_, told, notes) = place.run(&format!("compare {WEIGHTS} again.safetensors --data loose"));
    assert!(
        !told.contains("top-1") && notes.contains("the photos have no labels"),
        "{told}{notes}"
    );
    // Accuracy needs them.
    refused(
        &place,
        &format!("eval --weights {WEIGHTS} --data loose"),
        3,
        "9 photos without labels",
    );
}

/// Takes what a safetensors file says of itself away, as other programs write none.
fn forget(place: &Place, file: &str) {
    let bytes = fs::read(place.path(file)).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, values) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    header.remove("__metadata__");
    let header = serde_json::to_vec(&header).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_slice(), values].concat();
    fs::write(place.path(file), bytes).unwrap();
}

#[test]
fn weights_without_names_are_not_judged_in_an_order_that_is_a_guess() {
    let place = run();
    place.done(&format!("convert {WEIGHTS} timm.safetensors --to timm"));
    forget(&place, "timm.safetensors");
    let eval = "eval --weights timm.safetensors --json --data";
    // One order, whichever program numbered the classes.
    assert_eq!(place.json(&format!("{eval} photos"))["images"], 9);
    for (old, new) in [("airplanes", "2"), ("leopards", "10"), ("watch", "Watch")] {
        fs::rename(
            place.path(&format!("photos/val/{old}")),
            place.path(&format!("photos/val/{new}")),
        )
        .unwrap();
    }
    let message = "can be put in two orders: class 0 is \"2\" in natural order (timm) and \"10\" in the order of bytes";
    refused(&place, &format!("{eval} photos/val"), 3, message);
    fs::write(place.path("classes.txt"), "2\n10\nWatch\n").unwrap();
    let chosen = place.json(&format!("{eval} photos/val --class_list classes.txt"));
    assert_eq!(chosen["images"], 9);
}
