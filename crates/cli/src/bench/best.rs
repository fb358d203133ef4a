//! `--assert-best`: is the instruction set that the program picked the fastest one? Of a training step each sweep is asked for, of
//! inference the whole.

use mnasnet_engine::Stage;
use mnasnet_model::Network;

use super::units::Clock;
use crate::failure::Failure;

/// A sweep may be so much slower than the fastest before it counts: other programs' noise. Seconds, and a factor.
const TOLERANCE: (f64, f64) = (20e-6, 1.1);

/// Compares the fastest runs of `picked` with those of the other instruction sets.
///
/// # Errors
/// Every sweep that another instruction set runs faster.
pub fn check(network: &Network, picked: &(String, Clock), others: &[(String, Clock)]) -> Result<String, Failure> {
    let mut sweeps = 0;
    let mut slower = String::new();
    for (i, (stage, _, ours)) in picked
        .1
        .fastest()
        .enumerate()
        .filter(|(_, (_, work, _))| work.multiply_adds > 0)
    {
        sweeps += 1;
        let times = others
            .iter()
            .filter_map(|(name, clock)| Some((name, clock.fastest().nth(i)?.2)));
        let Some((best, theirs)) = times.min_by(|a, b| a.1.total_cmp(&b.1)) else {
            continue;
        };
        if ours > theirs * TOLERANCE.1 && ours > theirs + TOLERANCE.0 {
            let (name, sweep) = match stage {
                Stage::Forward(i) => (&network.nodes[i].name, "forward"),
                Stage::Backward(i) => (&network.nodes[i].name, "backward"),
                Stage::Pack | Stage::Loss => continue,
            };
            let [ours, theirs] = [ours, theirs].map(|seconds| seconds * 1e3);
            slower += &format!("\n  {name} {sweep}: {ours:.3} ms, {theirs:.3} ms with {best}");
        }
    }
    let picked = &picked.0;
    if slower.is_empty() {
        let others: Vec<&str> = others.iter().map(|(name, _)| &name[..]).collect();
        Ok(format!(
            "{picked} is the fastest of {picked}, {} on all {sweeps} sweeps",
            others.join(", ")
        ))
    } else {
        Err(Failure::NotBest(format!(
            "{picked} was picked, but it is not the fastest everywhere:{slower}"
        )))
    }
}

/// Compares the fastest runs of the first, which was picked, with those of the others.
///
/// # Errors
/// The fastest of all, where it is another one.
pub fn check_whole(all: &[(String, f64)]) -> Result<String, Failure> {
    let [(picked, ours), others @ ..] = all else {
        return Ok(String::new());
    };
    let best = others.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        None => Ok(format!("{picked} is the only one")),
        Some((best, theirs)) if *ours > theirs * TOLERANCE.1 && *ours > theirs + TOLERANCE.0 => {
            let [ours, theirs] = [ours, theirs].map(|seconds| seconds * 1e3);
            Err(Failure::NotBest(format!(
                "{picked} was picked, but it is not the fastest: {ours:.3} ms, {theirs:.3} ms with {best}"
            )))
        }
        Some(_) => {
            let told = |(name, seconds): &(String, f64)| format!("{name} {:.3} ms", seconds * 1e3);
            let all: Vec<String> = all.iter().map(told).collect();
            Ok(format!("{picked} is the fastest: {}", all.join(", ")))
        }
    }
}
