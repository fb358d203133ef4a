//! `mnasnet data`: a set checked, and packed.

use std::fs;

use mnasnet_data::read_image;
use mnasnet_testing::place::names;
use mnasnet_testing::{Place, TINY, text};

#[test]
fn a_set_is_clean_or_told_why_not() {
    let place = Place::three_classes();
    let report = place.json("data check photos --json");
    assert_eq!(
        (&report["clean"], &report["leaks"]),
        (&true.into(), &serde_json::json!([]))
    );
    let sets = report["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 2);
    assert_eq!(
        (&sets[0]["split"], &sets[0]["images"], &sets[1]["images"]),
        (&"train".into(), &24.into(), &9.into())
    );
    assert_eq!(sets[1]["classes"][2], serde_json::json!({"name": "watch", "images": 3}));
    assert_eq!(sets[0]["formats"], serde_json::json!({"JPEG": 24}));
    // The sample photos' shorter side is 128 pixels.
    let least = [&sets[0]["width"][0], &sets[0]["height"][0]].map(|side| side.as_u64().unwrap());
    assert_eq!(least.into_iter().min(), Some(128));
    assert!(place.done("data check photos").ends_with("clean\n"));

    let folder = place.path("photos/train/watch");
    let watches = names(&folder);
    fs::write(folder.join(&watches[0]), "no photo").unwrap();
    fs::copy(folder.join(&watches[1]), folder.join("twin.jpg")).unwrap();
    fs::copy(folder.join(&watches[2]), place.path("photos/val/watch/leak.png")).unwrap();
    let (code, stdout, _) = place.run("data check photos --json");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["clean"]), (3, &false.into()));
    let train = &report["sets"][0];
    let name = |file: &str| format!("photos/train/watch/{file}");
    assert_eq!(train["unreadable"][0]["image"], name(&watches[0]));
    assert!(
        train["unreadable"][0]["what"]
            .as_str()
            .unwrap()
            .starts_with("not an image")
    );
    assert_eq!(
        train["duplicates"],
        serde_json::json!([[name(&watches[1]), name("twin.jpg")]])
    );
    assert_eq!(
        report["leaks"],
        serde_json::json!([[name(&watches[2]), "photos/val/watch/leak.png"]])
    );
    assert_eq!(
        report["sets"][1]["suspicious"],
        serde_json::json!([{"image": "photos/val/watch/leak.png", "what": "is a JPEG, though its name ends in .png"}])
    );
    let (code, stdout, _) = place.run("data check photos");
    assert!(
        code == 3 && stdout.contains("there more than once: 1") && stdout.ends_with("not clean\n"),
        "{stdout}"
    );
    let (code, _, stderr) = place.run("data check none");
    assert!(code == 3 && stderr.starts_with("error: cannot read none"), "{stderr}");
}

#[test]
fn a_packed_set_goes_on_where_it_stopped_and_trains() {
    let place = Place::three_classes();
    let pack = "data pack photos packed --short-side 64 --shard-size 7";
    let report = place.json(&format!("{pack} --json"));
    assert_eq!(
        (&report[0]["shards"], &report[0]["images"], &report[1]["images"]),
        (&4.into(), &24.into(), &9.into())
    );
    let train = place.path("packed/train");
    let shards = [
        "train-000000.tar",
        "train-000001.tar",
        "train-000002.tar",
        "train-000003.tar",
    ];
    let mut expected = vec!["classes.txt"];
    expected.extend(shards.iter().copied());
    expected.push("train.json");
    assert_eq!(names(&train), expected);
    let index = fs::read_to_string(place.path("packed/_info.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let split = &index["splits"]["train"];
    assert_eq!(split["shard_lengths"], serde_json::json!([7, 7, 7, 3]));
    assert_eq!((&split["name"], &split["num_samples"]), (&"train".into(), &24.into()));
    assert_eq!(split["filenames"][3], "train/train-000003.tar");
    for name in ["val", "validation"] {
        assert_eq!(index["splits"][name]["num_samples"], 9, "{name}");
    }
    // A shard that is missing, and one that a kill left unfinished, are made again, alike.
    let whole = fs::read(train.join(shards[1])).unwrap();
    fs::remove_file(train.join(shards[1])).unwrap();
    fs::write(train.join(".train-000001.tar.part"), "half").unwrap();
    let report = place.json(&format!("{pack} --workers 1 --json"));
    assert_eq!((&report[0]["kept"], &report[0]["images"]), (&3.into(), &7.into()));
    let again = fs::read_to_string(place.path("packed/_info.json")).unwrap();
    assert_eq!(index, serde_json::from_str::<serde_json::Value>(&again).unwrap());
    assert!(fs::read(train.join(shards[1])).unwrap() == whole);
    assert_eq!(names(&train), expected);
    // One that was cut afterwards, or emptied, is not taken for whole.
    for cut in [0, whole.len() / 2] {
        fs::write(train.join(shards[1]), &whole[..cut]).unwrap();
        let report = place.json(&format!("{pack} --json"));
        assert_eq!(report[0]["kept"], 3);
        assert!(fs::read(train.join(shards[1])).unwrap() == whole);
    }
    let (code, _, stderr) = place.run("data pack photos photos/train/packed");
    assert!(code == 2 && stderr.contains("name a place outside"), "{code} {stderr}");
    // Neither into a run nor into another set.
    fs::create_dir_all(place.path("run/checkpoints")).unwrap();
    fs::write(place.path("run/run.json"), "{}").unwrap();
    fs::create_dir_all(place.path("other/train/cat")).unwrap();
    for (target, message) in [
        ("run", "error: run is the folder of a run; name a new folder"),
        (
            "run/checkpoints",
            "error: run/checkpoints lies in the folder of a run, ",
        ),
        (
            "other",
            "error: other is not empty and no packing: it holds other/train/cat",
        ),
        (
            "other/train",
            "error: other/train is not empty and no packing: it holds other/train/cat",
        ),
    ] {
        let (code, _, stderr) = place.run(&format!("data pack photos {target}"));
        text::begins(&stderr, message);
        assert_eq!(code, 2);
    }
    assert_eq!(names(&place.path("other/train")), ["cat"]);
    fs::remove_dir_all(place.path("run")).unwrap();
    let (code, _, stderr) = place.run("data pack photos packed --short-side 32 --shard-size 7");
    assert!(
        code == 2 && stderr.contains("packed/train/train.json is of another packing"),
        "{code} {stderr}"
    );

    // Another photo under another name, but as many.
    let watches = place.path("photos/train/watch");
    let first = watches.join(&names(&watches)[0]);
    fs::rename(&first, watches.join("other.jpg")).unwrap();
    let (code, _, stderr) = place.run(pack);
    assert!(code == 2 && stderr.contains("is of another packing"), "{code} {stderr}");
    fs::rename(watches.join("other.jpg"), first).unwrap();

    let report = place.json("data check packed --json");
    for (set, images) in [(&report["sets"][0], 24), (&report["sets"][1], 9)] {
        assert_eq!(
            (&set["images"], &set["unreadable"]),
            (&images.into(), &serde_json::json!([]))
        );
        let least = [&set["width"][0], &set["height"][0]].map(|side| side.as_u64().unwrap());
        assert_eq!(least.into_iter().min(), Some(64));
        let counts: Vec<_> = set["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|class| class["images"].clone())
            .collect();
        assert_eq!(counts, vec![serde_json::Value::from(images / 3); 3]);
        assert_eq!(set["classes"][0]["name"], "airplanes");
    }
    place.done(&format!("train {TINY} --data packed --epoch_size 1 --out run"));
    // The weights know names; the folder has them too.
    let result = place.json("eval --data photos --weights run/checkpoints/best.safetensors --json");
    assert_eq!(result["images"], 9);

    fs::write(place.path("photos/val/watch/a.jpg"), "no photo").unwrap();
    let (code, _, stderr) = place.run("data pack photos again");
    assert!(
        code == 3 && stderr.contains("photos/val/watch/a.jpg: not an image"),
        "{code} {stderr}"
    );
    let report = place.json("data pack photos again --bad_images skip --json");
    assert_eq!((&report[1]["bad_images"], &report[1]["images"]), (&1.into(), &9.into()));
    // Nothing to resize: the photos' own bytes.
    assert_eq!(report[1]["bytes_in"], report[1]["bytes_out"]);
}

#[test]
fn a_contact_sheet_shows_what_the_settings_do() {
    let place = Place::three_classes();
    let show = "data show photos --recipe sample --images 6 --epochs 1";
    let stdout = place.done(&format!("{show} -o plain.png"));
    // Two sections of a heading and one row of six squares of 64 pixels.
    text::same(&stdout, "plain.png: 932x208 pixels\n");
    place.done(&format!("{show} -o again.png"));
    place.done(&format!("{show} -o mixed.png --policy randaugment --cutmix 1"));
    let read = |name: &str| read_image(&place.path(name), false).unwrap();
    let (plain, mixed) = (read("plain.png"), read("mixed.png"));
    assert_eq!(plain, read("again.png"));
    let half = plain.pixels.len() / 2;
    assert!(plain.pixels[..half] == mixed.pixels[..half], "evaluation is the same");
    assert!(plain.pixels[half..] != mixed.pixels[half..], "training is not");
    for sheet in ["photos/train/watch/sheet.png", "photos/sheet.png"] {
        let (code, _, stderr) = place.run(&format!("{show} -o {sheet}"));
        text::begins(
            &stderr,
            &format!("error: {sheet} lies in the set, and the sheet would be taken for a part of the set"),
        );
        assert!(code == 2 && !place.path(sheet).exists());
    }
    let (code, _, stderr) = place.run(&format!("{show} -o none/sheet.png"));
    assert!(
        code == 1 && stderr.contains("cannot write none/sheet.png"),
        "{code} {stderr}"
    );
}
