//! The layouts of the caches, which other programs share.

use std::fs;
use std::path::Path;

use mnasnet_testing::hub::{COMMIT, sha256};

use crate::{Machine, NAME, bytes, listing};

/// What `huggingface_hub` 2.4.0 leaves of a download from the tests' server; `python.rs` makes it again.
const PYTHONS: &str = include_str!("fixtures/huggingface_hub.txt");

#[test]
fn the_hubs_cache_has_pythons_layout() {
    let machine = Machine::new(&[(NAME, &bytes(1000))]);
    machine.fetched(NAME);
    assert_eq!(listing(&machine.cached()), PYTHONS);
}

#[test]
#[cfg(unix)]
fn a_file_that_python_cached_is_found() {
    let machine = Machine::new(&[]);
    let content = bytes(1000);
    let put = |name: &str, text: &[u8]| {
        let path = machine.cached().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for line in PYTHONS.lines() {
        match (line.split_once(" -> "), line.split_once(": ")) {
            (Some((link, to)), _) => {
                let link = machine.cached().join(link);
                fs::create_dir_all(link.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(to, link).unwrap();
            }
            (None, Some(("refs/main", _))) => put("refs/main", COMMIT.as_bytes()),
            (None, Some((name, _))) => put(name, &content),
            (None, None) => panic!("{line}"),
        }
    }
    assert_eq!(listing(&machine.cached()), PYTHONS);
    let found = machine.fetched(NAME);
    assert_eq!(fs::read(found).unwrap(), content);
    assert!(machine.hub.requests().is_empty());
    let blob = machine.cached().join("blobs").join(sha256(&content));
    fs::write(&blob, &content[..999]).unwrap();
    let error = machine.refusal(NAME);
    assert!(
        error.starts_with(&format!("{} is damaged", blob.display())) && error.contains("remove it"),
        "{error}"
    );
    fs::remove_file(&blob).unwrap();
    assert!(machine.refusal(NAME).contains("answers 401"));
}

#[test]
fn the_file_of_older_programs_is_found_and_torchs_is_checked() {
    let machine = Machine::new(&[]);
    let snapshot = machine.cached().join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(machine.cached().join("refs")).unwrap();
    fs::write(machine.cached().join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("pytorch_model.bin"), "weights").unwrap();
    assert_eq!(machine.fetched(NAME), snapshot.join("pytorch_model.bin"));
    let torchs = machine.folder.path().join("torch");
    let around = machine.with("TORCH_HOME", &torchs);
    let file = torchs.join("hub/checkpoints/mnasnet0.5_top1_67.823-3ffadce67e.pth");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "weights").unwrap();
    // PyTorch does not look whether the bytes are those of the name.
    let error = machine.fetch_as("torchvision/mnasnet0_5", &around).0.unwrap_err();
    let message = "is damaged: the SHA-256 of its bytes is not the one of its name; remove it, and ";
    assert!(
        error.to_string().starts_with(&format!("{} {message}", file.display())),
        "{error}"
    );
    assert!(machine.hub.requests().is_empty());
}

#[test]
fn a_cache_that_leads_elsewhere_is_not_followed() {
    let content = bytes(1000);
    let machine = Machine::new(&[(NAME, &content)]);
    fs::create_dir_all(machine.cached().join("refs")).unwrap();
    fs::create_dir_all(machine.cached().join("snapshots")).unwrap();
    fs::write(machine.cached().join("model.safetensors"), "another").unwrap();
    fs::write(machine.cached().join("refs/main"), "..").unwrap();
    assert_eq!(fs::read(machine.fetched(NAME)).unwrap(), content);
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let machine = Machine::new(&[(NAME, &bytes(1000))]);
    let file = machine.folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let around = machine.with("HF_HUB_CACHE", file.join("cache"));
    let error = machine.fetch_as(NAME, &around).0.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot make ") && error.ends_with("; choose another cache by HF_HUB_CACHE"),
        "{error}"
    );
}

#[test]
fn the_listing_tells_what_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/b"), "c").unwrap();
    assert_eq!(
        listing(folder.path()),
        format!("{}: {}\n", Path::new("a/b").display(), &sha256(b"c")[..16])
    );
}
