//! Runs of few epochs and of few photos need no flag for it.

use mnasnet_testing::{Place, text};

const SMALL: &str = "train --data photos --model mnasnet-small --width 0.35 --resolution 32 --seed 3 --out run";

#[test]
fn few_epochs_of_fewer_photos_than_a_batch() {
    let place = Place::three_classes();
    let stdout = place.done(&format!("{SMALL} --epoch_size 1"));
    assert!(
        stdout.contains("note: 24 photos do not fill a step of batch_size 64: a step has 4 images"),
        "{stdout}"
    );
    assert!(stdout.contains("1 epochs of 6 steps"), "{stdout}");
    let settings = |key: &str| {
        let config = std::fs::read_to_string(place.path("run/config.toml")).unwrap();
        let line = config.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{config}"))
    };
    assert_eq!(settings("warmup_epochs"), "warmup_epochs = 0.2");
    // The setting stays what was asked for, so that the same command is the same run, and a longer one goes on with it.
    assert_eq!(settings("batch_size"), "batch_size = 64");
    let stdout = place.done(&format!("{SMALL} --epoch_size 2"));
    assert!(stdout.contains("going on after step 6"), "{stdout}");
    assert_eq!(settings("warmup_epochs"), "warmup_epochs = 0.2");
    let stdout = place.done(&format!("{SMALL} --epoch_size 2"));
    assert!(stdout.contains("the run in run is done: 2 epochs"), "{stdout}");
}

#[test]
fn pixels_of_ones_own() {
    let place = Place::three_classes();
    let stdout = place.done(&format!(
        "{SMALL} --mean 0.5 --std 0.25,0.5,0.25 --hflip 0 --print-config"
    ));
    for line in [
        "mean = [0.5, 0.5, 0.5]",
        "std = [0.25, 0.5, 0.25]",
        "hflip = 0.0",
        "vflip = 0.0",
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "{line}: {stdout}");
    }
    place.done(&format!("{SMALL} --epoch_size 1 --mean 0.5 --std 0.5"));
    let weights = "run/checkpoints/best.safetensors";
    let (code, _, stderr) = place.run(&format!("eval --data photos --weights {weights} --mean 0.4"));
    assert_eq!(code, 2, "{stderr}");
    text::holds(
        &stderr,
        "best.safetensors says itself what becomes of photos; leave out --mean",
    );
}
