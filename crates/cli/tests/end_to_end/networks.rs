//! Networks that no table has, from files of rows.

use std::fs;

use mnasnet_testing::{Place, TINY};

/// A network unlike the published ones: a 7x7 kernel, odd channels, a separable block behind inverted ones, no expansion, a
/// residual in front of everything, squeeze-excite by a half.
const ROWS: &str = r#"
name = "found-7"
origin = "a search"
stem = 12
head = 96
blocks = [
    { stage = 0, kind = "separable", kernel = 3, channels = 12, residual = true },
    { stage = 1, kind = "inverted", kernel = 7, stride = 2, expansion = 4, channels = 20, squeeze_excite = 0.5 },
    { stage = 1, kind = "inverted", kernel = 1, expansion = 1, channels = 20, residual = true },
    { stage = 2, kind = "separable", kernel = 5, stride = 2, dense_kernel = 3, channels = 28 },
    { stage = 3, kind = "inverted", kernel = 5, expansion = 6, channels = 28, residual = "where it fits", activation = "relu" },
]
"#;

const FOUND: &str = "--data photos --model found.toml --resolution 48 --batch_size 4 --warmup_epochs 1 --opt sgd --lr_max 0.05 \
    --seed 3";

fn place() -> Place {
    let place = Place::three_classes();
    fs::write(place.path("found.toml"), ROWS).unwrap();
    place
}

#[test]
fn a_network_of_a_file_goes_every_way_that_a_published_one_goes() {
    let place = place();
    let info = place.json("info --model found.toml --resolution 48 --classes 3 --json");
    assert_eq!(info["variant"], "found-7");
    place.done(&format!("train {FOUND} --epoch_size 3 --out whole"));
    // From here on the rows are those of the checkpoints.
    fs::remove_file(place.path("found.toml")).unwrap();
    place.done("verify-run whole");
    place.done("train --resume whole --epoch_size 4");

    let weights = "whole/checkpoints/best.safetensors";
    let eval = |file: &str| place.json(&format!("eval --data photos --weights {file} --precision f32 --json"));
    let right = eval(weights)["correct1"].clone();
    assert!(right.is_number());
    // The same network on a runtime that shares no code with the engine.
    place.done(&format!("export --weights {weights} -o found.onnx --check photos"));
    assert_eq!(eval("found.onnx")["correct1"], right);
    place.done(&format!("convert {weights} timm.safetensors --to timm"));
    assert_eq!(eval("timm.safetensors")["correct1"], right);
    // Without our record the tensors are those of no known network, until the rows are there again.
    let bytes = fs::read(place.path("timm.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap().tensors();
    safetensors::serialize_to_file(tensors, None, &place.path("bare.safetensors")).unwrap();
    let convert = "convert bare.safetensors ours.safetensors";
    let (code, _, error) = place.run(convert);
    assert!(code == 4 && error.contains("bare.safetensors"), "{error}");
    fs::write(place.path("found.toml"), ROWS).unwrap();
    place.done(&format!("{convert} --model found.toml --resolution 48"));
    assert!(eval("ours.safetensors")["correct1"].is_number());

    let photo = "photos/val/watch";
    let names = place.done(&format!("predict --weights {weights} --format csv {photo}"));
    assert_eq!(names.lines().count(), 4, "{names}");
    let (code, _, error) = place.run(&format!("convert {weights} other.safetensors --to torchvision"));
    assert!(
        code != 0 && error.contains("found-7") && error.contains("has no name in torchvision"),
        "{error}"
    );
}

#[test]
fn a_published_network_as_a_file_is_the_same_network() {
    let place = Place::three_classes();
    for model in ["mnasnet-b1", "mnasnet-a1", "mnasnet-small", "mnasnet-mindspore"] {
        let file = format!("{model}.toml");
        let shown = place.done(&format!("info --model {model} --width 0.35 --write {file}"));
        assert_eq!(place.done(&format!("info --model {file} --width 0.35")), shown);
        let (code, _, error) = place.run(&format!("info --model {model} --write {file}"));
        assert!(code == 2 && error.contains(&file), "what is there stays: {error}");
    }
    place.done(&format!("train {TINY} --out named"));
    // A run is the same however its network was named.
    let again = TINY.replace("mnasnet-small", "mnasnet-small.toml");
    let said = place.run(&format!("train {again} --out named"));
    assert!(said.0 == 0 && said.1.contains("is done"), "{said:?}");
}

/// A file of settings names one beside itself.
#[test]
fn settings_win_over_what_a_network_says_of_itself() {
    let place = place();
    let own = "head = 96\ndropout = 0.4\nbn_epsilon = 0.01\nbn_momentum = 0.3";
    fs::create_dir(place.path("sub")).unwrap();
    fs::write(place.path("sub/own.toml"), ROWS.replace("head = 96", own)).unwrap();
    fs::write(place.path("sub/run.toml"), "model = \"own.toml\"\nbn_momentum = 0.2").unwrap();
    let shown = |arguments: &str| {
        let config = place.json(&format!("train --data photos --print-config --json {arguments}"));
        ["dropout", "bn_epsilon", "bn_momentum"].map(|key| config[key].as_f64().unwrap())
    };
    assert_eq!(shown("--model sub/own.toml"), [0.4, 0.01, 0.3]);
    assert_eq!(shown("--model sub/own.toml --dropout 0.1"), [0.1, 0.01, 0.3]);
    assert_eq!(shown("--config sub/run.toml"), [0.4, 0.01, 0.2]);
    assert_eq!(shown("--config sub/run.toml --model mnasnet-a1"), [0.2, 1e-5, 0.2]);
    place.done("info --model mnasnet-a1 --write a1.toml");
    assert_eq!(shown("--model a1.toml"), shown("--model mnasnet-a1"));
    let text = fs::read_to_string(place.path("a1.toml")).unwrap();
    assert!(
        text.contains("dropout = 0.2\n") && text.contains("bn_epsilon = 0.00001\n"),
        "{text}"
    );
}

#[test]
fn rows_that_cannot_be_are_refused_with_row_and_reason() {
    let place = place();
    let refused = |from: &str, to: &str, said: &[&str]| {
        assert!(ROWS.contains(from), "{from}");
        fs::write(place.path("bad.toml"), ROWS.replacen(from, to, 1)).unwrap();
        for command in [
            "info --model bad.toml",
            "train --data photos --batch_size 4 --model bad.toml --out never",
            "bench train --model bad.toml",
        ] {
            let (code, _, error) = place.run(command);
            assert_eq!(code, 2, "{command}: {error}");
            for said in said {
                assert!(error.contains(said), "{command}: {error:?} lacks {said:?}");
            }
        }
        assert!(!place.path("never").exists());
    };
    refused("kernel = 7", "kernel = 6", &["bad.toml", "block 1", "kernel is 6"]);
    refused("channels = 12, res", "channels = 0, res", &["block 0", "channels is 0"]);
    refused(
        "stride = 2, dense",
        "stride = 2, residual = true, dense",
        &["block 3", "residual is true"],
    );
    refused("found-7", "mnasnet-b1", &["mnasnet-b1", "name of another network"]);
    refused("kernel = 7", "kernels = 7", &["bad.toml", "kernels"]);
    refused("stem = 12", "stem = 12000000", &["stem is 12000000"]);
    refused("name = \"found-7\"", "name = ", &["bad.toml", "line 2"]);
    // Runs are named after networks.
    refused("found-7", "../found-7", &["\"../found-7\"", "name must begin"]);
    refused("head = 96", "head = 96\nbn_epsilon = nan", &["bn_epsilon is NaN"]);
    refused("head = 96", "head = 96\nbn_epsilon = 1e300", &["bn_epsilon is inf"]);
    refused("head = 96", "head = 96\nbn_epsilon = -1.0", &["bn_epsilon is -1"]);
    let (code, _, error) = place.run("info --model nowhere.toml");
    assert!(code == 2 && error.contains("nowhere.toml"), "{error}");
    // What is long is not told in full, and nobody waits for what never comes.
    fs::write(place.path("long.toml"), format!("blocks = {}", "[".repeat(1 << 19))).unwrap();
    let (code, _, error) = place.run("info --model long.toml");
    assert!(
        code == 2 && error.contains("long.toml") && error.len() < 1000,
        "{} bytes",
        error.len()
    );
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo")
            .arg(place.path("pipe.toml"))
            .status();
        assert!(made.unwrap().success());
        let (code, _, error) = place.run("info --model pipe.toml");
        assert!(
            code == 2 && error.contains("pipe.toml: is no network's file: it is no regular file"),
            "{error}"
        );
    }
}
