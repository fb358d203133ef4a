//! `mnasnet devices`: what there is to compute on, and what `auto` takes.

use std::fmt::Write as _;

use mnasnet_engine::{Cpu, Device};
use mnasnet_settings::config::Target;
use serde::Serialize;

use crate::args::DevicesArgs;
use crate::console::{print, print_json};
use crate::device::choose::{Chosen, Local, choose};
use crate::device::seen;
use crate::failure::{Exit, Failure};

#[derive(Serialize)]
struct Report {
    /// What `auto` takes, as `--device` calls it.
    auto: String,
    devices: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// As `--device` takes it.
    device: String,
    /// As logs and checkpoints have it.
    name: String,
    kind: &'static str,
    auto: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    features: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pci: Option<String>,
}

/// Lists the devices.
pub fn run(args: &DevicesArgs) -> Result<Exit, Failure> {
    let report = listed()?;
    match args.json {
        true => print_json(&report)?,
        false => print(table(&report).trim_end())?,
    }
    Ok(Exit::Success)
}

fn listed() -> Result<Report, Failure> {
    let cpu = Cpu::detect()?;
    let adapters = mnasnet_gpu::adapters();
    let chosen = match Cpu::is_forced() {
        true => Chosen::Cpu,
        false => choose(&Target::Auto, &seen(&adapters), Local::ALONE).map_err(Failure::Usage)?,
    };
    let mut devices = vec![Row {
        device: "cpu".into(),
        name: cpu.name(),
        kind: "processor",
        auto: chosen == Chosen::Cpu,
        driver: None,
        memory_bytes: mnasnet_engine::room::available(),
        features: Vec::new(),
        pci: None,
    }];
    devices.extend(adapters.into_iter().enumerate().map(|(number, adapter)| Row {
        device: format!("gpu:{number}"),
        name: adapter.device_name(),
        kind: adapter.kind.name(),
        auto: chosen == Chosen::Gpu(number),
        driver: Some(adapter.driver),
        memory_bytes: adapter.memory,
        features: adapter.features,
        pci: adapter.pci,
    }));
    let auto = devices.iter().find(|row| row.auto);
    Ok(Report {
        auto: auto.map_or_else(String::new, |row| row.device.clone()),
        devices,
    })
}

/// A line a device, each column as wide as its widest cell.
fn table(report: &Report) -> String {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let cells = |row: &Row| {
        [
            row.device.clone(),
            row.name.clone(),
            row.kind.to_owned(),
            row.driver.clone().unwrap_or_default(),
            row.memory_bytes.map(gib).unwrap_or_default(),
            row.features.join(", "),
            row.pci.clone().unwrap_or_default(),
        ]
    };
    let head = ["device", "name", "kind", "driver", "memory", "features", "PCI"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(report.devices.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:<width$}  ", width = width(column));
        }
        text += line.trim_end();
        text.push('\n');
    }
    if report.devices.len() == 1 {
        text += "no GPU: no driver (Vulkan, Metal or DirectX 12) shows one\n";
    }
    let why = match report.auto.as_str() {
        "cpu" if Cpu::is_forced() => format!(", as {} is set", Cpu::VARIABLE),
        _ => String::new(),
    };
    text + &format!("--device auto is {}{why}\n", report.auto)
}
