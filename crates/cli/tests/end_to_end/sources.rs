//! Photos in the forms in which people have them, and bad ones among them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mnasnet_testing::place::{hollow, names};
use mnasnet_testing::{Place, TINY};

/// The small set of the data crate's tests, in every layout.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../data/tests/fixtures/sources")
        .join(name)
}

/// A table of one split's photos, in the folder's order.
fn table(place: &Place, split: &str) {
    let mut text = String::from("path,label\n");
    for class in names(&place.path(&format!("photos/{split}"))) {
        for file in names(&place.path(&format!("photos/{split}/{class}"))) {
            writeln!(text, "photos/{split}/{class}/{file},{class}").unwrap();
        }
    }
    fs::write(place.path(&format!("{split}.csv")), text).unwrap();
}

fn losses(place: &Place, run: &str) -> Vec<String> {
    let epochs = place.metrics(run, "epoch");
    epochs
        .iter()
        .map(|epoch| format!("{} {}", epoch["train_loss"], epoch["val"]["loss"]))
        .collect()
}

#[test]
fn a_table_of_the_folders_photos_is_the_same_run() {
    let place = Place::three_classes();
    table(&place, "train");
    table(&place, "val");
    place.done(&format!("train {TINY} --out folder"));
    place.done(&format!("train {TINY} --data train.csv --val_data val.csv --out table"));
    assert_eq!(losses(&place, "table"), losses(&place, "folder"));
    // The same photos under the same names: a run may even go on from the other form.
    let last = "table/checkpoints";
    assert_eq!(names(&place.path(last)), names(&place.path("folder/checkpoints")));
    let result = place.json("eval --data val.csv --weights table/checkpoints/best.safetensors --json");
    assert_eq!((&result["images"], &result["bad_images"]), (&9.into(), &0.into()));
}

#[test]
fn archives_shards_and_parquet() {
    let place = Place::three_classes();
    let small = "--model mnasnet-small --width 0.35 --resolution 32 --batch_size 2 --epoch_size 1 --warmup_epochs 0 --policy none \
        --lr_max 0.001 --lr_init 0";
    let set = |name: &str| fixture(name).display().to_string();
    place.done(&format!("train {small} --data {} --out tar", set("imagenet")));
    // Numbers for classes on both sides; names on one side, numbers on the other.
    let shards = set("webdataset/train-0000.tar");
    place.done(&format!(
        "train {small} --data {} --val_data {shards} --out shards",
        set("webdataset")
    ));
    place.done(&format!(
        "train {small} --data {} --val_data {shards} --out parquet",
        set("parquet")
    ));
    for (weights, data, images) in [
        ("tar", "imagenet", 6),
        ("shards", "webdataset/train-0001.tar", 3),
        ("parquet", "webdataset/train-{0000..0001}.tar", 6),
    ] {
        let data = set(data);
        let result = place.json(&format!(
            "eval --data {data} --weights {weights}/checkpoints/best.safetensors --json"
        ));
        assert_eq!(result["images"], images, "{weights}");
    }
    // Another name for the classes, and a part of them.
    fs::write(place.path("fish.txt"), "n01440764\ttench\nn01443537\tgoldfish\n").unwrap();
    place.done(&format!(
        "train {small} --data {} --class_list fish.txt --out fish",
        set("imagenet")
    ));
    let eval = format!(
        "eval --data {} --weights fish/checkpoints/best.safetensors",
        set("imagenet")
    );
    assert_eq!(place.json(&format!("{eval} --class_list fish.txt --json"))["images"], 4);
    let (code, _, stderr) = place.run(&eval);
    assert!(
        code == 3 && stderr.contains("it tells tench, goldfish, the set has n01440764, n01443537, n02119789; "),
        "{code} {stderr}"
    );
}

#[test]
fn bad_images_are_told_and_dealt_with_as_asked() {
    let place = Place::three_classes();
    let train = format!("train {TINY} --batch_size 5");
    place.done(&format!("{train} --out whole"));
    let first = |split: &str| {
        let folder = place.path(&format!("photos/{split}/watch"));
        folder.join(&names(&folder)[0])
    };
    let refused = |out: &str, reason: &str| {
        let (code, _, stderr) = place.run(&format!("{train} --out {out}"));
        assert!(
            code == 3 && stderr.contains(reason) && stderr.contains("`--bad-images`"),
            "{code} {stderr}"
        );
    };
    // What a header tells is told before the first step.
    let photo = fs::read(first("val")).unwrap();
    fs::write(first("val"), "no photo").unwrap();
    refused("none", "not an image");
    fs::write(first("val"), &photo[..photo.len() / 2]).unwrap();
    refused("none", "broken JPEG: the image ends near row ");
    assert!(!place.path("none").exists());
    fs::write(first("val"), photo).unwrap();

    hollow(&first("val"));
    // The run ends after its first epoch, and goes on with another policy as if that had been its own from the start.
    refused("run", "broken JPEG: the image ends near row ");
    assert!(place.path("run").exists());
    place.done("train --resume run --bad_images skip");
    place.done(&format!("{train} --bad_images skip --out skip"));
    assert_eq!(losses(&place, "run"), losses(&place, "skip"));
    let val = &place.metrics("skip", "epoch")[2]["val"];
    assert_eq!((&val["images"], &val["bad_images"]), (&8.into(), &1.into()));
    let log = fs::read_to_string(place.path("skip/log.txt")).unwrap();
    assert_eq!(log.matches("bad image 1: photos/val/watch/").count(), 1, "{log}");

    hollow(&first("train"));
    for policy in ["skip", "replace"] {
        place.done(&format!("{train} --bad_images {policy} --out {policy}-2"));
        let epochs = place.metrics(&format!("{policy}-2"), "epoch");
        assert_eq!(epochs.len(), 3);
        let met: u64 = epochs.iter().map(|epoch| epoch["bad_images"].as_u64().unwrap()).sum();
        assert!(met >= 1);
        assert!(place.metrics(&format!("{policy}-2"), "step").len() == 12);
    }
    let eval = |policy: &str| {
        let weights = "whole/checkpoints/best.safetensors";
        place.json(&format!(
            "eval --data photos --weights {weights} --bad_images {policy} --json"
        ))
    };
    assert_eq!(
        (&eval("skip")["images"], &eval("replace")["images"]),
        (&8.into(), &9.into())
    );
    let (code, _, stderr) =
        place.run("eval --data photos --weights whole/checkpoints/best.safetensors --bad_images drop");
    assert!(
        code == 2 && stderr.contains("`--bad_images` cannot be `drop`; it is one of fail, skip, replace"),
        "{stderr}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn paths_need_not_be_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::three_classes();
    let (photos, run) = (OsStr::from_bytes(b"ph\xf6tos"), OsStr::from_bytes(b"r\xfcn"));
    fs::rename(place.path("photos"), place.folder.path().join(photos)).unwrap();
    fs::write(
        place.folder.path().join(OsStr::from_bytes(b"cl\xe4sses")),
        "airplanes\nleopards\nwatch\n",
    )
    .unwrap();
    let done = |command: &mut assert_cmd::Command| {
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        (String::from_utf8(output.stdout).unwrap(), told)
    };
    let tiny = TINY.strip_prefix("--data photos").unwrap();
    let mut train = place.command(&format!("train {tiny} --epoch_size 2 --batch_size 5"));
    train.arg("--data").arg(photos).arg("--out").arg(run);
    train.arg("--class_list").arg(OsStr::from_bytes(b"cl\xe4sses"));
    let (next, _) = done(&mut train);
    assert!(
        next.contains(r"eval $'ph\366tos' --class-list $'cl\344sses' -w $'r\374n'"),
        "{next}"
    );
    let settings = fs::read_to_string(place.folder.path().join(run).join("config.toml")).unwrap();
    assert!(
        settings.contains("data = [112, 104, 246, 116, 111, 115]\n"),
        "{settings}"
    );
    // What was recorded leads to the same photos.
    let mut resumed = place.command("train --epoch_size 3 --json --resume");
    let (report, _) = done(resumed.arg(run));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["out"], "r\u{fffd}n");

    let weights = place.folder.path().join(run).join("checkpoints/best.safetensors");
    let mut eval = place.command("eval --json");
    done(eval.arg("--data").arg(photos).arg("--weights").arg(&weights));
    let mut check = place.command("data check --json");
    let classes = ["--class_list".as_ref(), OsStr::from_bytes(b"cl\xe4sses")];
    done(check.arg(photos).args(classes));
    let config = place.folder.path().join(run).join("config.toml");
    done(place.command("train --print-config --config").arg(config));
}
