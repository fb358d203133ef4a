//! `mnasnet bench peak`.

use mnasnet_engine::{Cpu, Device, Peak, pool};
use serde::Serialize;

use crate::console::{print, print_json};
use crate::failure::{Exit, Failure};

#[derive(Serialize)]
struct Report {
    threads: usize,
    rates: Vec<Rate>,
    /// Copies beyond the caches, bytes read and written.
    gb_per_s: f64,
}

#[derive(Serialize)]
struct Rate {
    numbers: &'static str,
    name: &'static str,
    /// Two operations a multiply-add.
    gop_per_s: f64,
    picked: bool,
}

/// Measures and prints what the processor does at best.
pub fn run(json: bool) -> Result<Exit, Failure> {
    let cpu = Cpu::detect()?;
    let rate = |peak: Peak| Rate {
        numbers: peak.numbers,
        name: peak.name,
        gop_per_s: 2e-9 * peak.multiply_adds,
        picked: peak.is_picked,
    };
    let copied = cpu.ceilings().map_or(0.0, |ceilings| ceilings.copied_bytes);
    let report = Report {
        threads: pool::threads(),
        rates: cpu.peaks().into_iter().map(rate).collect(),
        gb_per_s: 1e-9 * copied,
    };
    if json {
        print_json(&report)?;
        return Ok(Exit::Success);
    }
    for rate in &report.rates {
        let picked = if rate.picked { "  picked" } else { "" };
        let Rate {
            numbers,
            name,
            gop_per_s,
            ..
        } = rate;
        print(&format!("{numbers:8}  {name:11}  {gop_per_s:8.0} GOP/s{picked}"))?;
    }
    print(&format!(
        "copies beyond the caches: {:.1} GB/s, {} threads",
        report.gb_per_s, report.threads
    ))?;
    Ok(Exit::Success)
}
