//! Python's `huggingface_hub` against the tests' server, in both directions: `MNASNET_TEST_PYTHON` names a Python that has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use mnasnet_testing::hub::TOKEN;

use crate::{Machine, NAME, bytes, listing};

/// Downloads as any user of the package does.
const DOWNLOAD: &str =
    "import sys; from huggingface_hub import hf_hub_download; print(hf_hub_download(sys.argv[1], 'model.safetensors'))";

/// The path that Python gives.
fn pythons(machine: &Machine, home: &Path, offline: bool) -> String {
    let mut python = Command::new(std::env::var("MNASNET_TEST_PYTHON").unwrap());
    python.args(["-c", DOWNLOAD, NAME]);
    machine.hub.serves(&mut python, machine.folder.path());
    python.env("HF_HOME", home).env("HF_TOKEN", TOKEN);
    if offline {
        python.env("HF_HUB_OFFLINE", "1");
    }
    let output = python.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs a Python with huggingface_hub: MNASNET_TEST_PYTHON"]
fn python_and_this_program_find_what_the_other_downloaded() {
    let content = bytes(1000);
    // Python downloads; we find it.
    let machine = Machine::new(&[(NAME, &content)]);
    let home = machine.folder.path().join(".cache/huggingface");
    let path = pythons(&machine, &home, false);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/fixtures/huggingface_hub.txt");
    assert_eq!(listing(&machine.cached()), fs::read_to_string(fixture).unwrap());
    machine.hub.requests();
    assert_eq!(machine.fetched(NAME), Path::new(&path));
    assert!(machine.hub.requests().is_empty());
    // We download; Python finds it.
    let machine = Machine::new(&[(NAME, &content)]);
    let home = machine.folder.path().join(".cache/huggingface");
    let path = machine.fetched(NAME);
    machine.hub.requests();
    assert_eq!(Path::new(&pythons(&machine, &home, true)), path);
    assert!(machine.hub.requests().is_empty());
    assert_eq!(fs::read(path).unwrap(), content);
}
