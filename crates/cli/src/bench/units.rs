//! The table of units: each sweep's time against the least that this machine needs for it.

use std::fmt::Write;
use std::time::Instant;

use mnasnet_engine::device::Ceilings;
use mnasnet_engine::{Stage, Work};
use mnasnet_model::Summary;
use mnasnet_model::summary::Row;
use serde::Serialize;

use super::WARM_UP;

/// Times of every stage of every step.
pub struct Clock {
    begun: Instant,
    last: Instant,
    /// Of the last step.
    total: f64,
    stages: Vec<(Stage, Work)>,
    seconds: Vec<Vec<f64>>,
    next: usize,
}

impl Clock {
    /// A clock for steps of these stages.
    pub fn new(stages: Vec<(Stage, Work)>) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            last: now,
            total: 0.0,
            seconds: vec![Vec::new(); stages.len()],
            next: 0,
            stages,
        }
    }

    /// A step begins.
    pub fn begin(&mut self) {
        self.begun = Instant::now();
        self.last = self.begun;
        self.next = 0;
    }

    /// The next stage is done.
    pub fn done(&mut self, stage: Stage) {
        debug_assert_eq!(self.stages[self.next].0, stage);
        let now = Instant::now();
        self.seconds[self.next].push((now - self.last).as_secs_f64());
        self.next += 1;
        self.last = now;
    }

    /// The step is done.
    pub fn end(&mut self) {
        self.total = self.begun.elapsed().as_secs_f64();
    }

    /// Seconds of the last step.
    pub fn step_seconds(&self) -> f64 {
        self.total
    }

    /// Each stage with its median seconds.
    pub fn medians(&self) -> impl Iterator<Item = (Stage, Work, f64)> {
        self.of_each(|sorted| sorted[sorted.len() / 2])
    }

    /// Each stage with its least seconds.
    pub fn fastest(&self) -> impl Iterator<Item = (Stage, Work, f64)> {
        self.of_each(|sorted| sorted[0])
    }

    fn of_each(&self, pick: fn(&[f64]) -> f64) -> impl Iterator<Item = (Stage, Work, f64)> {
        self.stages
            .iter()
            .zip(&self.seconds)
            .map(move |(&(stage, work), seconds)| {
                let mut sorted = seconds[WARM_UP..].to_vec();
                sorted.sort_by(f64::total_cmp);
                (stage, work, pick(&sorted))
            })
    }
}

/// What the device does at best.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rates {
    /// Multiply-adds in registers, two operations each.
    pub gflop_per_s: f64,
    /// The same of a matrix unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile_gflop_per_s: Option<f64>,
    /// Copies beyond the caches, bytes read and written.
    pub gb_per_s: f64,
}

impl Rates {
    /// In the units of the report.
    pub fn new(ceilings: Ceilings) -> Self {
        Self {
            gflop_per_s: 2e-9 * ceilings.multiply_adds,
            tile_gflop_per_s: ceilings.tile_multiply_adds.map(|rate| 2e-9 * rate),
            gb_per_s: 1e-9 * ceilings.copied_bytes,
        }
    }

    /// The least milliseconds for some work: arithmetic or memory, whichever takes longer.
    fn floor_ms(self, work: Work) -> f64 {
        let tiles = self.tile_gflop_per_s.filter(|_| work.on_tiles);
        let arithmetic = 2e-6 * work.multiply_adds as f64 / tiles.unwrap_or(self.gflop_per_s);
        arithmetic.max(1e-6 * work.bytes as f64 / self.gb_per_s)
    }
}

/// One stage: a unit's sweep, or work between the sweeps.
#[derive(Debug, Serialize)]
struct Sweep {
    ms: f64,
    gb_per_s: f64,
    gflop_per_s: f64,
    floor_ms: f64,
    /// Of the floor in the time.
    share: f64,
}

impl Sweep {
    fn new((work, seconds): (Work, f64), rates: Rates) -> Self {
        let floor_ms = rates.floor_ms(work);
        Self {
            ms: seconds * 1e3,
            gb_per_s: 1e-9 * work.bytes as f64 / seconds,
            gflop_per_s: 2e-9 * work.multiply_adds as f64 / seconds,
            floor_ms,
            share: floor_ms / (seconds * 1e3),
        }
    }
}

/// A unit with its sweeps.
#[derive(Debug, Serialize)]
struct Unit {
    name: String,
    operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<Sweep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backward: Option<Sweep>,
}

/// All units, and a whole step against the sum of the floors.
#[derive(Debug, Serialize)]
pub struct Units {
    rates: Rates,
    units: Vec<Unit>,
    /// Laying out the weights.
    packing_ms: f64,
    /// The loss and its gradient.
    loss_ms: f64,
    /// The rest: the optimizer, and what the medians of the stages leave of the median step.
    update_ms: f64,
    total_ms: f64,
    floor_ms: f64,
    share: f64,
}

impl Units {
    /// The table of steps of `total` seconds in the median.
    pub fn new(clock: &Clock, summary: &Summary, rates: Rates, total: f64) -> Self {
        let medians: Vec<(Stage, Work, f64)> = clock.medians().collect();
        let sweep = |wanted: Stage| {
            let found = medians
                .iter()
                .find(|(stage, work, _)| *stage == wanted && work.bytes > 0);
            found.map(|&(_, work, seconds)| Sweep::new((work, seconds), rates))
        };
        let units: Vec<Unit> = summary
            .layers
            .iter()
            .enumerate()
            .map(|(i, row)| Unit {
                name: row.name.clone(),
                operation: operation(row),
                forward: sweep(Stage::Forward(i)),
                backward: sweep(Stage::Backward(i)),
            })
            .collect();
        let sweeps = || units.iter().flat_map(|unit| [&unit.forward, &unit.backward]).flatten();
        let (total_ms, in_units) = (total * 1e3, sweeps().map(|sweep| sweep.ms).sum::<f64>());
        let alone =
            |wanted| (medians.iter()).find_map(|&(stage, _, seconds)| (stage == wanted).then_some(seconds * 1e3));
        let [packing_ms, loss_ms] = [Stage::Pack, Stage::Loss].map(|stage| alone(stage).unwrap_or(0.0));
        let floor_ms = medians.iter().map(|&(_, work, _)| rates.floor_ms(work)).sum();
        Self {
            rates,
            packing_ms,
            loss_ms,
            update_ms: (total_ms - in_units - packing_ms - loss_ms).max(0.0),
            total_ms,
            floor_ms,
            share: floor_ms / total_ms,
            units,
        }
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let columns = ["ms", "GB/s", "GFLOP/s", "floor"]
            .map(|column| format!("{column:>7}"))
            .join(" ");
        let mut text = format!(
            "{:57}  {:<33}  {}\n{:<24} {:<32}  {columns}  {columns}\n",
            "", "forward", "backward", "unit", "operation"
        );
        for unit in &self.units {
            // Writing to a String cannot fail.
            let _ = write!(text, "{:<24} {:<32}", unit.name, unit.operation);
            for sweep in [&unit.forward, &unit.backward] {
                let _ = match sweep {
                    Some(sweep) => write!(
                        text,
                        "  {:7.3} {:7.1} {:7.1} {:5.0} %",
                        sweep.ms,
                        sweep.gb_per_s,
                        sweep.gflop_per_s,
                        sweep.share * 100.0
                    ),
                    None => write!(text, "{:33}", ""),
                };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        let Rates {
            gflop_per_s,
            tile_gflop_per_s,
            gb_per_s,
        } = self.rates;
        let tiles = tile_gflop_per_s.map_or(String::new(), |rate| format!(" (tiles: {rate:.0})"));
        let _ = write!(
            text,
            "packing {:.3} ms, loss {:.3} ms, update and the rest {:.3} ms\n\
             total: {:.2} ms, floor {:.2} ms ({:.0} %): each sweep's multiply-adds at {gflop_per_s:.0}{tiles} GFLOP/s or its bytes at \
             {gb_per_s:.1} GB/s,\nmeasured just now, whichever takes longer",
            self.packing_ms,
            self.loss_ms,
            self.update_ms,
            self.total_ms,
            self.floor_ms,
            self.share * 100.0
        );
        text
    }
}

/// A unit's operation in a few words: `conv 1x1 16>48, 112x112`.
fn operation(row: &Row) -> String {
    let window = match (row.kernel, row.stride) {
        (Some(kernel), Some(1)) => format!(" {kernel}x{kernel}"),
        (Some(kernel), Some(stride)) => format!(" {kernel}x{kernel}/{stride}"),
        _ => String::new(),
    };
    let channels = if row.input.channels == row.output.channels {
        row.output.channels.to_string()
    } else {
        format!("{}>{}", row.input.channels, row.output.channels)
    };
    format!(
        "{}{window} {channels}, {}x{}",
        row.op, row.output.height, row.output.width
    )
}
