//! Weights by name, from a server on this machine that behaves as the hub does.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use mnasnet_testing::hub::{Fault, Hub, sha256};
use mnasnet_testing::place::{NO_GPUS, with_gpus};
use mnasnet_testing::process::wait_for;
use mnasnet_testing::{Place, TINY, text};

const NAME: &str = "timm/mnasnet_small.lamb_in1k";

/// A folder with photos, weights in timm's names, and a server that has them.
struct Served {
    place: Place,
    hub: Hub,
}

impl Served {
    fn new() -> Self {
        let place = Place::three_classes();
        place.done(&format!("train {TINY} --epochs 1 --out run"));
        place.done("convert run file.safetensors --to timm");
        let bytes = fs::read(place.path("file.safetensors")).unwrap();
        Self {
            hub: Hub::start(&[(NAME, &bytes)]),
            place,
        }
    }

    /// The program on a machine whose hub this server is.
    fn command(&self, arguments: &str) -> Command {
        let mut command = with_gpus();
        command
            .args(arguments.split_whitespace())
            .current_dir(self.place.folder.path())
            .envs(NO_GPUS);
        self.hub.serves(&mut command, self.place.folder.path());
        command
    }

    /// Exit code, standard output and standard error.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        (status.code().unwrap(), stdout, stderr)
    }

    #[track_caller]
    fn done(&self, arguments: &str) -> (String, String) {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "mnasnet {arguments}\n{stdout}\n{stderr}");
        (stdout, stderr)
    }

    fn cached(&self, inside: &str) -> PathBuf {
        self.place
            .path("hf/hub/models--timm--mnasnet_small.lamb_in1k")
            .join(inside)
    }
}

#[test]
fn a_name_stands_for_weights_in_every_command() {
    let served = Served::new();
    let (_, stderr) = served.done(&format!("train {TINY} --epochs 1 --init {NAME} --out next"));
    let told = format!(" from {}; licence apache-2.0\n", served.hub.url);
    let line = stderr.lines().find(|line| line.starts_with("note: timm/"));
    let line = line.unwrap_or_else(|| panic!("{stderr}")).to_owned() + "\n";
    text::begins(&line, &format!("note: {NAME}: "));
    text::holds(&line, &told);
    served.hub.requests();
    // From here on without the network, under the short name too.
    let name = "timm/mnasnet_small";
    let evaluated = |weights: &str| served.done(&format!("eval photos -w {weights} --json")).0;
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(
        json(evaluated(name))["loss"],
        json(evaluated("file.safetensors"))["loss"]
    );
    let predicted = |weights: &str| served.done(&format!("predict -w {weights} photos/val --json")).0;
    assert_eq!(predicted(name), predicted("file.safetensors"));
    for (arguments, left) in [
        (format!("convert hf-hub:{NAME} ours.safetensors"), "ours.safetensors"),
        (format!("export --weights {name} -o model.onnx"), "model.onnx"),
        (format!("compare {name} model.onnx photos -b 3"), "model.onnx"),
        (
            format!("train {TINY} --init {name} --epochs 1 --out another"),
            "another",
        ),
    ] {
        let (_, stderr) = served.done(&arguments);
        assert!(
            served.place.path(left).exists() && !stderr.contains("licence"),
            "{stderr}"
        );
    }
    assert_eq!(served.hub.requests(), [""; 0]);
}

#[test]
fn a_file_of_that_name_wins_over_the_hub() {
    let served = Served::new();
    fs::create_dir(served.place.path("timm")).unwrap();
    fs::copy(served.place.path("file.safetensors"), served.place.path(NAME)).unwrap();
    served.done(&format!("eval photos -w {NAME}"));
    let (code, _, stderr) = served.run("eval photos -w timm/mnasnet_small.lam_in1k");
    assert_eq!(code, 4);
    text::holds(&stderr, &format!("no such file or folder (did you mean `{NAME}`?)"));
    assert_eq!(served.hub.requests(), [""; 0]);
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    let served = Served::new();
    for (weights, message) in [
        (
            "timm/mnasnet_smal.lamb_in1k",
            format!("(did you mean `{NAME}`?); the names are "),
        ),
        (
            "mnasnet1_0",
            "cannot read mnasnet1_0: no such file or folder (did you mean `torchvision/mnasnet1_0`?)".into(),
        ),
        (
            "timm/mnasnet_140",
            "timm has the network timm/mnasnet_140 without weights".into(),
        ),
        (
            "https://example.org/mnasnet.pth",
            "this is an address; download it, and give the file, or give a name such as".into(),
        ),
    ] {
        for command in ["eval photos -w", "train photos --init"] {
            let (code, _, stderr) = served.run(&format!("{command} {weights}"));
            assert_eq!(code, 4, "{stderr}");
            assert!(stderr.starts_with("error: "), "{stderr}");
            text::holds(&stderr, &message);
        }
    }
    assert_eq!(served.hub.requests(), [""; 0]);
    let (code, stdout, stderr) = served.run("eval photos -w torchvision/mnasnet1_0 --json");
    assert_eq!(code, 4, "{stderr}");
    text::holds(&stdout, "{\"error\":\"cannot fetch ");
    text::holds(
        &stderr,
        "/models/mnasnet1.0_top1_73.512-f206786ef8.pth: the server answers 404 (NoSuchKey); download it by hand, and give the file",
    );
}

#[test]
fn a_download_that_is_killed_goes_on_by_the_same_command() {
    let served = Served::new();
    let bytes = fs::read(served.place.path("file.safetensors")).unwrap();
    let partial = served.cached(&format!("blobs/{}.incomplete", sha256(&bytes)));
    let half = bytes.len() / 2;
    served.hub.fault(Fault::Stalls(half));
    let mut command = served.command(&format!("predict -q -w {NAME} photos/val"));
    let mut child = command.env("HF_HUB_DOWNLOAD_TIMEOUT", "600").spawn().unwrap();
    wait_for(&mut child, || {
        fs::metadata(&partial).is_ok_and(|part| part.len() == half as u64)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!served.cached("snapshots").exists());
    served.hub.fault(Fault::None);
    served.hub.requests();
    let (_, stderr) = served.done(&format!("predict -w {NAME} photos/val"));
    text::holds(&stderr, " are here; licence apache-2.0\n");
    let requests = served.hub.requests();
    assert!(
        requests
            .iter()
            .any(|request| request.ends_with(&format!(" from {half}"))),
        "{requests:?}"
    );
    assert!(served.cached("refs/main").is_file() && !partial.exists());
}
