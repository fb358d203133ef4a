//! The reliability diagram, as rectangles in a square of 200 by 200.

use serde::Serialize;

use super::words::{is_fitted, percent};
use crate::calibration::{Bin, Reliability};
use crate::numbers::Numbers;

const SIDE: f64 = 200.0;

#[derive(Serialize)]
pub struct Chart {
    words: String,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    gap_y: String,
    gap: String,
    words: String,
}

/// The model as it is, and at the temperature if there is one.
pub fn charts(numbers: &Numbers) -> Vec<Chart> {
    let chart = |reliability: &Reliability, name: String| Chart {
        words: format!("{name}: calibration error {}", percent(reliability.ece)),
        bars: reliability.bins.iter().filter(|bin| bin.photos > 0).map(bar).collect(),
    };
    let mut charts = vec![chart(&numbers.calibration, "As it is".into())];
    if is_fitted(&numbers.temperature) {
        let name = format!("At temperature {:.3}", numbers.temperature.value);
        charts.push(chart(&numbers.calibration_at_temperature, name));
    }
    charts
}

fn bar(bin: &Bin) -> Bar {
    let at = |value: f64| format!("{:.2}", value * SIDE);
    let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
    Bar {
        x: at(bin.above + 0.004),
        y: at(1.0 - bin.accuracy),
        width: at(bin.up_to - bin.above - 0.008),
        height: at(bin.accuracy),
        gap_y: at(1.0 - high),
        gap: at(high - low),
        words: format!(
            "{} photos of probability {} to {}: {} in the mean, {} right",
            bin.photos,
            percent(bin.above),
            percent(bin.up_to),
            percent(bin.confidence),
            percent(bin.accuracy)
        ),
    }
}
