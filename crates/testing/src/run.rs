//! What training runs leave, compared; and runs that are killed over and over.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use safetensors::SafeTensors;

use crate::Place;
use crate::place::names;
use crate::process::{signal, spawn};

/// All tensors of a file, with names.
pub fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect();
    tensors.sort();
    assert!(tensors.len() > 100);
    tensors
}

/// The last checkpoints are equal to the last byte (optimizer state, average, record), and so are the curves.
pub fn check_equal_runs(place: &Place, whole: &str, broken: &str, epochs: usize) {
    let last = format!("checkpoints/Mnasnet-rank0-{epochs}_6.safetensors");
    let read = |run: &str| fs::read(place.path(run).join(&last)).unwrap();
    assert!(read(whole) == read(broken), "the last checkpoints differ");
    let best = |run: &str| fs::read(place.path(run).join("checkpoints/best.safetensors")).unwrap();
    assert!(best(whole) == best(broken), "the best weights differ");
    let curve = |run: &str| {
        let steps = place.metrics(run, "step");
        steps
            .iter()
            .map(|step| (step["global_step"].as_u64(), step["loss"].as_f64()))
            .collect::<Vec<_>>()
    };
    assert_eq!(curve(whole), curve(broken));
    let epochs = |run: &str| {
        let epochs = place.metrics(run, "epoch");
        epochs
            .iter()
            .map(|epoch| (epoch["train_loss"].as_f64(), epoch["val"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(epochs(whole), epochs(broken));
}

/// Starts a run over and over and kills it at random moments, `most` times at most, then lets it end. Returns how often it was
/// killed.
pub fn killed_until_done(place: &Place, settings: &str, run: &str, most: usize) -> usize {
    // Marsaglia's xorshift: moments that are the same in every run of the test.
    let mut random = 6_u64;
    let mut moment = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        Duration::from_millis(random % 300)
    };
    let mut kills = 0;
    loop {
        // Until its first checkpoint a run is begun again.
        let checkpoints = place.path(&format!("{run}/checkpoints"));
        let begun = checkpoints.exists()
            && names(&checkpoints)
                .iter()
                .any(|name| name.starts_with("Mnasnet-rank0-"));
        let mut child = match begun {
            true => spawn(place, &format!("train --resume {run}")),
            false => spawn(place, &format!("train {settings} --out {run}")),
        };
        thread::sleep(moment());
        if kills < most && child.try_wait().unwrap().is_none() {
            signal(&child, "-KILL");
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        break;
    }
    kills
}
