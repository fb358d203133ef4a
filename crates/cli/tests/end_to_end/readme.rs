//! The README's commands, run as they are written.

use std::fs;
use std::path::Path;

use mnasnet_testing::hub::Hub;
use mnasnet_testing::place::{NO_GPUS, names, with_gpus};
use mnasnet_testing::{Place, TINY};

/// Lines that are not run here, and why.
const NOT_RUN: [(&str, &str); 8] = [
    ("cargo run --release -- train", "it builds the program"),
    ("cargo test --release --locked --workspace", "this is it"),
    ("mnasnet train --data photos --device gpu", "it needs a GPU"),
    ("cargo build --release --features mpi", "it builds the program"),
    (
        "mpirun -n 8 mnasnet train --data imagenet --config imagenet --batch-size 32 --lr-scaling linear",
        "it needs MPI: see `ranks`",
    ),
    (
        "mpirun --hostfile hosts mnasnet eval --data imagenet --weights best.safetensors",
        "it needs several machines",
    ),
    ("cargo install --path crates/cli", "it builds the program"),
    (
        "mnasnet watch runs/photos runs/others",
        "it serves until it is stopped: see `watch`",
    ),
];

/// The lines of the blocks of shell commands, without their comments.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let shells = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    shells
        .flat_map(str::lines)
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect()
}

/// What the README's reader has: few photos, small ones, so that the commands take seconds.
fn reader() -> (Place, Hub) {
    let place = Place::new(&[]);
    let sample = mnasnet_testing::place::sample().join("train");
    for class in ["airplanes", "watch"] {
        let to = place.path("photos").join(class);
        fs::create_dir_all(&to).unwrap();
        for file in &names(&sample.join(class))[..5] {
            fs::copy(sample.join(class).join(file), to.join(file)).unwrap();
        }
    }
    let photo = |name: &str| place.path("photos/watch").join(name);
    let one = &names(&place.path("photos/watch"))[0];
    fs::copy(photo(one), place.path("holiday.jpg")).unwrap();
    fs::create_dir(place.path("more-photos")).unwrap();
    fs::copy(photo(one), place.path("more-photos/one.jpg")).unwrap();
    // Weights in timm's names, as the hub and a careful user have them.
    place.done(&format!("train {TINY} --epochs 1 --out tiny"));
    place.done("convert tiny timm.safetensors --to timm");
    let bytes = fs::read(place.path("timm.safetensors")).unwrap();
    let hub = Hub::start(&[("timm/mnasnet_100.rmsp_in1k", &bytes)]);
    (place, hub)
}

#[test]
fn every_command_of_the_readme_runs_as_written() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let commands = commands(&readme);
    let (place, hub) = reader();
    let mut run = 0;
    for line in &commands {
        if NOT_RUN.iter().any(|(left_out, _)| left_out == line) {
            continue;
        }
        let Some(arguments) = line.strip_prefix("mnasnet ") else {
            panic!("`{line}` is neither run nor in NOT_RUN");
        };
        let mut command = with_gpus();
        command
            .args(arguments.split_whitespace())
            .current_dir(place.folder.path())
            .envs(NO_GPUS);
        hub.serves(&mut command, place.folder.path());
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}`: {told}");
        run += 1;
    }
    assert!(run >= 12, "{commands:?}");
}

#[test]
fn what_is_not_run_stands_in_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    for (line, _) in NOT_RUN {
        assert!(readme.contains(line), "{line}");
    }
}
