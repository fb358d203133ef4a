//! Downloads, and what can go wrong with them.

use std::fs;
use std::thread;

use mnasnet_testing::hub::{Fault, TOKEN, sha256};

use crate::{Machine, NAME, bytes};

#[test]
fn a_file_comes_once_and_is_found_without_the_network() {
    let content = bytes(300_000);
    let machine = Machine::new(&[(NAME, &content)]);
    let (found, told) = machine.fetch("timm/mnasnet_small");
    let path = found.unwrap();
    assert_eq!(fs::read(&path).unwrap(), content);
    assert_eq!(told, ["apache-2.0: 300000, 0 here"]);
    let sha = sha256(&content);
    assert_eq!(
        machine.hub.requests(),
        [
            format!("HEAD /{NAME}/resolve/main/model.safetensors"),
            format!("GET /api/models/{NAME}"),
            format!("GET /cdn/{sha}?X-Amz-Signature=5"),
        ]
    );
    let offline = machine.with("HF_HUB_OFFLINE", "1");
    assert_eq!(machine.fetch_as(NAME, &offline).0.unwrap(), path);
    assert_eq!(machine.fetched(NAME), path);
    assert!(machine.hub.requests().is_empty());
}

#[test]
fn a_dropped_connection_goes_on_where_it_ended() {
    let content = bytes(250_000);
    let machine = Machine::new(&[(NAME, &content)]);
    machine.hub.fault(Fault::Drops(100_000));
    let (found, told) = machine.fetch(NAME);
    assert_eq!(fs::read(found.unwrap()).unwrap(), content);
    assert_eq!(told.len(), 1, "{told:?}");
    let parts: Vec<String> = machine.hub.requests().split_off(2);
    let parts: Vec<&str> = parts.iter().map(|part| part.split('5').next_back().unwrap()).collect();
    assert_eq!(parts, ["", " from 100000", " from 200000"]);
}

#[test]
fn what_a_killed_download_left_is_taken_up_and_never_taken_for_whole() {
    let content = bytes(100_000);
    let machine = Machine::new(&[(NAME, &content)]);
    let blobs = machine.cached().join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    let partial = blobs.join(format!("{}.incomplete", sha256(&content)));
    for (left, here) in [
        // Its beginning.
        (content[..60_000].to_vec(), Ok(60_000)),
        // All of it, without its name yet.
        (content.clone(), Ok(100_000)),
        // More than it: another file's.
        (bytes(100_001), Ok(0)),
        // As much as it, of another file.
        (vec![1; 60_000], Err("is damaged: its SHA-256 begins with ")),
    ] {
        fs::write(&partial, &left).unwrap();
        let (found, told) = machine.fetch(NAME);
        match (here, found) {
            (Ok(here), Ok(found)) => {
                assert_eq!(fs::read(&found).unwrap(), content);
                let expected = (here < content.len()).then(|| format!("apache-2.0: 100000, {here} here"));
                assert_eq!(told, Vec::from_iter(expected));
            }
            (Err(message), Err(error)) => assert!(error.to_string().contains(message), "{error}"),
            (expected, found) => panic!("{expected:?}, and not {found:?}"),
        }
        assert!(!partial.exists());
        let _ = fs::remove_dir_all(machine.cached().join("snapshots"));
        let _ = fs::remove_file(blobs.join(sha256(&content)));
    }
    assert_eq!(fs::read(machine.fetched(NAME)).unwrap(), content);
}

#[test]
fn a_server_without_parts_sends_the_file_again() {
    let content = bytes(50_000);
    let machine = Machine::new(&[("models/mnasnet0_75-7090bc5f.pth", &content), (NAME, &content)]);
    let blobs = machine.cached().join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(
        blobs.join(format!("{}.incomplete", sha256(&content))),
        &content[..20_000],
    )
    .unwrap();
    machine.hub.fault(Fault::Whole);
    let (found, told) = machine.fetch(NAME);
    assert_eq!(fs::read(found.unwrap()).unwrap(), content);
    assert_eq!(told, ["apache-2.0: 50000, 0 here"]);
}

#[test]
fn two_downloads_at_once_give_one_file() {
    let content = bytes(2_000_000);
    let machine = Machine::new(&[(NAME, &content)]);
    thread::scope(|scope| {
        let fetches: Vec<_> = (0..4).map(|_| scope.spawn(|| machine.fetched(NAME))).collect();
        for fetch in fetches {
            assert_eq!(fs::read(fetch.join().unwrap()).unwrap(), content);
        }
    });
    let downloads = machine
        .hub
        .requests()
        .into_iter()
        .filter(|request| request.contains("/cdn/"));
    assert_eq!(downloads.count(), 1);
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let content = bytes(1000);
    let machine = Machine::new(&[(NAME, &content)]);
    machine.hub.fault(Fault::Gated);
    let error = machine.refusal(NAME);
    assert!(
        error.contains(
            "the server answers 401 (Access to model timm/mnasnet_small.lamb_in1k is restricted.); set HF_TOKEN"
        ),
        "{error}"
    );
    let wrong = machine.with("HF_TOKEN", "hf_other");
    let error = machine.fetch_as(NAME, &wrong).0.unwrap_err().to_string();
    assert!(error.contains("see whether HF_TOKEN may read it"), "{error}");
    machine.hub.requests();
    // As `hf auth login` leaves it.
    let home = machine.folder.path().join(".cache/huggingface");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("token"), format!("{TOKEN}\n")).unwrap();
    assert_eq!(fs::read(machine.fetched(NAME)).unwrap(), content);
    let told: Vec<bool> = machine
        .hub
        .requests()
        .iter()
        .map(|request| request.ends_with(" token"))
        .collect();
    assert_eq!(told, [true, true, false]);
}

#[test]
fn a_repository_that_moved_is_followed() {
    let content = bytes(1000);
    let machine = Machine::new(&[(NAME, &content)]);
    machine.hub.fault(Fault::Moved);
    assert_eq!(fs::read(machine.fetched(NAME)).unwrap(), content);
}

#[test]
fn torchvisions_file_is_checked_by_the_digits_in_its_name() {
    // The digits of the real file, which these bytes do not have.
    let machine = Machine::new(&[("models/mnasnet1_3-a4c69d6f.pth", &bytes(5000))]);
    let (found, told) = machine.fetch("torchvision/mnasnet1_3");
    let error = found.unwrap_err().to_string();
    let begins = &sha256(&bytes(5000))[..8];
    let message =
        format!("is damaged: its SHA-256 begins with {begins}, and not with a4c69d6f; the download was removed");
    assert!(error.contains(&message), "{error}");
    assert_eq!(told, ["unknown: 5000, 0 here"]);
    let checkpoints = machine.folder.path().join(".cache/torch/hub/checkpoints");
    let left: Vec<_> = fs::read_dir(&checkpoints)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["mnasnet1_3-a4c69d6f.pth.lock"]);
    // A token is of no use there.
    for status in [401, 403] {
        machine.hub.fault(Fault::Status(status));
        let error = machine.refusal("torchvision/mnasnet1_3");
        let message =
            format!("the server answers {status}; download it by hand, and give the file instead of the name");
        assert!(error.ends_with(&message), "{error}");
    }
}

#[test]
fn what_goes_wrong_is_told_in_a_sentence_and_leaves_no_file() {
    let content = bytes(100_000);
    let machine = Machine::new(&[(NAME, &content)]);
    let by_hand = "download it by hand, and give the file instead of the name";
    for (fault, messages) in [
        (
            Fault::Corrupt,
            &[
                "is damaged: its SHA-256 begins with",
                "the same command begins it again",
            ][..],
        ),
        (
            Fault::Drops(0),
            &["ended after 0 of 100000 bytes (", "the same command goes on from there"],
        ),
        (
            Fault::Promises(1 << 40),
            &["has 1099511627776 bytes, and weights have at most 268435456"],
        ),
        (
            Fault::Promises(99_999),
            &["the file's size is another than the one that was promised", by_hand],
        ),
        (
            Fault::Status(503),
            &["the server answers 503; try again later, or ", by_hand],
        ),
        (Fault::Status(404), &["the server answers 404; ", by_hand]),
        (
            Fault::Portal,
            &["it is no answer of the hub (X-Repo-Commit or ETag is missing)", by_hand],
        ),
    ] {
        machine.hub.fault(fault.clone());
        let error = machine.refusal(NAME);
        for message in messages {
            assert!(error.contains(message), "{fault:?}: {error}");
        }
        assert!(!machine.cached().join("snapshots").exists(), "{fault:?}");
        let _ = fs::remove_dir_all(machine.cached());
    }
    // Silence ends too; what came before it counts.
    machine.hub.fault(Fault::Stalls(40_000));
    assert_eq!(fs::read(machine.fetched(NAME)).unwrap(), content);
}

#[test]
fn without_a_network_the_way_by_hand_is_told() {
    let machine = Machine::new(&[]);
    let nobody = machine.with("HF_HUB_OFFLINE", "ON");
    let error = machine.fetch_as(NAME, &nobody).0.unwrap_err().to_string();
    assert!(
        error.contains("and HF_HUB_OFFLINE forbids the network: unset HF_HUB_OFFLINE, or download "),
        "{error}"
    );
    let error = machine.refusal(NAME);
    assert!(error.contains("answers 401 (Invalid username or password.)"), "{error}");
    // A port that nobody listens at.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut closed = machine.variables.clone();
    closed[0].1 = format!("http://{port}").into();
    let error = machine
        .fetch_as(NAME, &machine.surroundings(&closed))
        .0
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("refused") && error.contains("by hand, and give the file instead of the name"),
        "{error}"
    );
    closed[0].1 = "http://nowhere.invalid".into();
    let error = machine
        .fetch_as(NAME, &machine.surroundings(&closed))
        .0
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot fetch http://nowhere.invalid/"), "{error}");
}
