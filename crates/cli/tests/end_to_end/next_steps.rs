//! What the program says to do next can be done: each line that it prints is run as it stands.

use std::fs;
use std::process::{Command, Output, Stdio};

use mnasnet_testing::place::{NO_GPUS, names, sample};
use mnasnet_testing::process::{signal, wait_for};
use mnasnet_testing::{Place, TINY, text};

/// Settings of a small run, each of those that belong to the weights other than the default.
const OTHER: &str = "--model mnasnet-small --width 0.35 --resolution 32 --batch_size 4 --warmup_epochs 1 --opt sgd \
    --interpolation bicubic --normalise mindspore --lr_init 0.001 --lr_max 0.05";

/// Folders that a shell would take for several words, or for a program to run.
const PHOTOS: &str = "it's my $(photos)";
const RUN: &str = "my run";

fn train(place: &Place, epochs: &str) -> Command {
    fs::rename(place.path("photos"), place.path(PHOTOS)).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("mnasnet"));
    command.envs(NO_GPUS).current_dir(place.folder.path()).arg("train");
    command.args(OTHER.split_whitespace());
    command.args(["--data", PHOTOS, "--out", RUN, "--epoch_size", epochs]);
    command
}

/// Runs a line in a shell that finds the program.
fn shell(place: &Place, line: &str) -> Output {
    let program = assert_cmd::cargo::cargo_bin("mnasnet");
    let path = std::env::var("PATH").unwrap();
    Command::new("bash")
        .args(["-c", line])
        .envs(NO_GPUS)
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .current_dir(place.folder.path())
        .output()
        .unwrap()
}

fn done(place: &Place, line: &str) -> String {
    let output = shell(place, line);
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{line}\n{stdout}\n{stderr}");
    stdout
}

#[test]
fn after_training() {
    let place = Place::three_classes();
    let output = train(&place, "2").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let next: Vec<&str> = stdout.lines().skip_while(|line| *line != "Try next:").skip(1).collect();
    let [eval, predict, train] = next[..] else {
        panic!("{stdout}")
    };
    assert!(done(&place, eval).contains("9 images in "));

    let photo = fs::read_dir(sample().join("val/watch"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::copy(photo, place.path("YOUR_PHOTO.jpg")).unwrap();
    assert!(done(&place, predict).starts_with("YOUR_PHOTO.jpg\n"));

    fs::rename(
        Place::new(&["bonsai", "ketch"]).path("photos"),
        place.path("YOUR_PHOTOS"),
    )
    .unwrap();
    let stdout = done(&place, &format!("{train} --batch_size 4 --epoch_size 2 --out next"));
    let taken = "model = \"mnasnet-small\", width = 0.35, bn_epsilon = 0.00001, resolution = 32, interpolation = \"bicubic\", \
        normalise = \"mindspore\"\n";
    let note = format!("note: as {RUN}/checkpoints/best.safetensors has it: {taken}");
    text::begins(&stdout, &note);
    text::holds(&stdout, "backbone taken over");
    text::holds(
        &stdout,
        "note: fine-tuning on 16 photos: 2 epochs, 4 images a step, learning rate 0.03; --epochs, -b and --lr say otherwise\n",
    );
    let settings = fs::read_to_string(place.path("next/config.toml")).unwrap();
    for setting in ["lr_init = 0.003", "lr_max = 0.03", "warmup_epochs = 0.4"] {
        assert!(settings.contains(&format!("\n{setting}\n")), "{settings}");
    }
}

/// A table's photos may lie in another folder, which evaluation has to know too.
#[test]
fn after_training_on_a_table() {
    let place = Place::three_classes();
    let mut table = "file,label\n".to_owned();
    for class in ["airplanes", "leopards", "watch"] {
        for name in names(&place.path(&format!("photos/train/{class}"))) {
            table += &format!("train/{class}/{name},{class}\n");
        }
    }
    fs::write(place.path("table.csv"), table).unwrap();
    let settings = TINY.strip_prefix("--data photos").unwrap();
    let stdout = place.done(&format!(
        "train table.csv {settings} --image-dir photos --epoch_size 1 --out run"
    ));
    let eval = stdout.lines().find(|line| line.starts_with("  mnasnet eval ")).unwrap();
    assert!(done(&place, eval).contains(" images in "), "{eval}");
}

/// A setting that counts for nothing is told.
#[test]
fn what_is_asked_for_in_vain() {
    let place = Place::three_classes();
    let stdout = place.done(&format!(
        "train {TINY} --epoch_size 1 --ema-decay 0.5 --opt-decay 0.5 --device cpu"
    ));
    for note in [
        "note: --ema-decay changes nothing here: what it belongs to is off\n",
        "note: --opt-decay changes nothing here: it is for rmsprop\n",
    ] {
        text::holds(&stdout, note);
    }
    assert!(!stdout.contains("--device changes"), "{stdout}");
}

#[test]
fn after_an_interruption() {
    let place = Place::three_classes();
    let mut command = train(&place, "30");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&mut child, || {
        fs::read_to_string(place.path(RUN).join("log.txt")).is_ok_and(|log| log.contains("[  1/ 30], step:[    2/"))
    });
    signal(&child, "-INT");
    let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let next = stderr
        .lines()
        .find_map(|line| line.strip_prefix("go on with: "))
        .unwrap();
    let stdout = done(&place, next);
    text::holds(&stdout, "going on after step ");
}

#[test]
fn what_is_asked_for_wins_over_what_the_weights_have() {
    let place = Place::three_classes();
    assert!(train(&place, "1").output().unwrap().status.success());
    let init = |more: &str| {
        let best = place.path(RUN).join("checkpoints/best.safetensors");
        let mut command = place.command(&format!("train {more} --print-config --init"));
        let output = command.arg(best).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    fs::write(
        place.path("mine.toml"),
        "interpolation = \"mindspore\"\nresolution = 48\n",
    )
    .unwrap();
    for (more, expected) in [
        (
            "--data x",
            ["width = 0.35", "resolution = 32", "interpolation = \"bicubic\""],
        ),
        // The sample recipe was not asked for.
        ("", ["width = 0.35", "resolution = 32", "interpolation = \"bicubic\""]),
        (
            "--data x --resolution 64",
            ["width = 0.35", "resolution = 64", "interpolation = \"bicubic\""],
        ),
        (
            "--config mine.toml --width 0.5",
            ["width = 0.5", "resolution = 48", "interpolation = \"mindspore\""],
        ),
    ] {
        let settings = init(more);
        for setting in expected {
            assert!(
                settings.contains(&format!("\n{setting}\n")),
                "{more}: {setting}\n{settings}"
            );
        }
        // Nothing else is taken over.
        assert!(!settings.contains("\nlr_max = 0.05\n"), "{settings}");
    }
}
