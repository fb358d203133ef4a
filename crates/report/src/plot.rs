//! Curves of runs as a picture: SVG, and PNG drawn of the SVG.

use std::fmt::Write as _;
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::error::ReportError;
use crate::run::data::Data;
use crate::run::series::{Curve, Number};

/// Letters of the PNG; where an SVG is shown, its own `sans-serif` may stand in.
const FONT: &[u8] = include_bytes!("plot/NotoSans.ttf");

/// Okabe and Ito's colours, which differ for the colour-blind too.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a7d00",
];
const DASHES: [&str; 3] = ["", "7 4", "2 3"];
/// The most runs of one picture.
pub const RUNS: usize = COLOURS.len();

const WIDTH: f64 = 900.0;
const PANEL: f64 = 250.0;
/// Free space left, right, above and below the curves of a panel.
const MARGIN: (f64, f64, f64, f64) = (70.0, 20.0, 34.0, 30.0);
const LINE: f64 = 20.0;
/// Pixels of the PNG for each of the SVG's units.
const SCALE: f32 = 2.0;
/// The most characters of a run's name.
const NAME: usize = 60;

/// A panel: heading, what makes its axis logarithmic, its unit, and its curves with their names, of the steps or else of the epochs.
struct Panel {
    title: &'static str,
    may_be_log: bool,
    percent: bool,
    curves: &'static [(&'static str, Source)],
}

#[derive(Clone, Copy)]
enum Source {
    /// Of the steps, or where they are not logged, of the epochs.
    Steps(&'static str, &'static str),
    Epochs(&'static str),
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "Loss",
        may_be_log: true,
        percent: false,
        curves: &[
            ("training", Source::Steps("loss", "train_loss")),
            ("validation", Source::Epochs("val_loss")),
            ("validation, average", Source::Epochs("ema_loss")),
        ],
    },
    Panel {
        title: "Top-1, %",
        may_be_log: false,
        percent: true,
        curves: &[
            ("training", Source::Steps("train_top1", "train_top1")),
            ("validation", Source::Epochs("val_top1")),
            ("validation, average", Source::Epochs("ema_top1")),
        ],
    },
    Panel {
        title: "Learning rate",
        may_be_log: false,
        percent: false,
        curves: &[("rate", Source::Steps("lr", "lr"))],
    },
];

/// A curve of a panel, over epochs.
struct Drawn {
    colour: usize,
    dash: usize,
    x: Vec<f64>,
    mean: Vec<f64>,
    /// Least and largest values, where they are others than the means.
    band: Option<(Vec<f64>, Vec<f64>)>,
}

/// Where a panel lies, and what its axes reach over.
struct Frame {
    top: f64,
    x: (f64, f64),
    y: (f64, f64),
    log: bool,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        let share = (value - self.x.0) / (self.x.1 - self.x.0);
        MARGIN.0 + share * (WIDTH - MARGIN.0 - MARGIN.1)
    }

    fn y(&self, value: f64) -> f64 {
        let at = |value: f64| if self.log { value.ln() } else { value };
        let share = (at(value) - at(self.y.0)) / (at(self.y.1) - at(self.y.0));
        self.top + PANEL - MARGIN.3 - share * (PANEL - MARGIN.2 - MARGIN.3)
    }
}

/// Loss, top-1 and rate of runs over their epochs, as SVG. Of more than [`RUNS`] runs the first ones.
pub fn svg(runs: &[Data]) -> String {
    let runs = &runs[..runs.len().min(RUNS)];
    let head = LINE * (1 + runs.len()) as f64 + 16.0;
    let height = head + PANEL * PANELS.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"Noto Sans, sans-serif\" font-size=\"12\" fill=\"#1c1d1f\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg, runs);
    for (at, panel) in PANELS.iter().enumerate() {
        self::panel(&mut svg, panel, runs, head + PANEL * at as f64);
    }
    svg += "</svg>\n";
    svg
}

/// The same as PNG.
///
/// # Errors
/// Where the picture cannot be drawn, which no run makes it do.
pub fn png(runs: &[Data]) -> Result<Vec<u8>, ReportError> {
    let failed = ReportError::table("picture");
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    let options = Options {
        fontdb: Arc::new(fonts),
        font_family: "Noto Sans".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(&svg(runs), &options).map_err(|error| failed(&error))?;
    let size = tree.size();
    let pixels = |side: f32| (side * SCALE).ceil() as u32;
    let mut picture = Pixmap::new(pixels(size.width()), pixels(size.height())).ok_or_else(|| failed(&"no room"))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|error| failed(&error))
}

/// A text of a stranger's as text of XML, which knows no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars().take(NAME) {
        match letter {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    if text.chars().nth(NAME).is_some() {
        escaped.push('\u{2026}');
    }
    escaped
}

fn sample(svg: &mut String, (x, y): (f64, f64), colour: &str, dash: &str, text: &str) {
    let (line, word) = (y - 4.0, x + 38.0);
    let _ = writeln!(
        svg,
        "<path d=\"M{x:.1} {line:.1}h30\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>\
         <text x=\"{word:.1}\" y=\"{y:.1}\">{text}</text>"
    );
}

fn legend(svg: &mut String, runs: &[Data]) {
    let words = ["training, rate", "validation", "validation of the moving average"];
    for (at, words) in words.iter().enumerate() {
        sample(svg, (MARGIN.0 + 220.0 * at as f64, LINE), "#5c6066", DASHES[at], words);
    }
    for (at, run) in runs.iter().enumerate() {
        let y = LINE * (at + 2) as f64;
        sample(svg, (MARGIN.0, y), COLOURS[at], "", &escaped(run.name()));
    }
}

fn numbers(values: &[Number], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value.0 * factor).collect()
}

/// A panel's curves.
fn drawn(panel: &Panel, runs: &[Data]) -> Vec<Drawn> {
    let factor = if panel.percent { 100.0 } else { 1.0 };
    let mut all = Vec::new();
    for (colour, run) in runs.iter().enumerate() {
        for (dash, (_, source)) in panel.curves.iter().enumerate() {
            let found = match *source {
                Source::Steps(name, instead) => run.of_steps(name).or_else(|| run.of_epochs(instead)),
                Source::Epochs(name) => run.of_epochs(name),
            };
            let Some((x, Curve { mean, min, max })) = found else {
                continue;
            };
            let band = (!min.is_empty()).then(|| (numbers(min, factor), numbers(max, factor)));
            all.push(Drawn {
                colour,
                dash,
                x: numbers(x, 1.0 / run.steps_of_epoch()),
                mean: numbers(mean, factor),
                band,
            });
        }
    }
    all
}

/// The least and the largest of values, with some room where they are one.
fn reach(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.filter(|value| value.is_finite());
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    match low < high {
        true => Some((low, high)),
        false if low == high => Some((low - 0.5 - low.abs() / 2.0, high + 0.5 + high.abs() / 2.0)),
        false => None,
    }
}

/// Whether values lie so far apart that a few would hide all others.
fn is_wide(curves: &[Drawn]) -> bool {
    let values = curves.iter().flat_map(|curve| &curve.mean);
    let mut values: Vec<f64> = values.copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match (values.first(), values.last()) {
        (Some(&least), Some(&most)) => least > 0.0 && most > 8.0 * values[values.len() / 2],
        _ => false,
    }
}

fn panel(svg: &mut String, panel: &Panel, runs: &[Data], top: f64) {
    let curves = drawn(panel, runs);
    let log = panel.may_be_log && is_wide(&curves);
    let note = if log { " (logarithmic)" } else { "" };
    let heading = top + 20.0;
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{heading:.1}\" font-size=\"15\">{}{note}</text>",
        MARGIN.0, panel.title
    );
    let is_shown = |value: &f64| !log || *value > 0.0;
    let x = reach(curves.iter().flat_map(|curve| curve.x.iter().copied()));
    let y = reach(
        curves
            .iter()
            .flat_map(|curve| curve.mean.iter().copied().filter(is_shown)),
    );
    let (Some(x), Some(y)) = (x, y) else {
        let middle = top + PANEL / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle:.1}\" fill=\"#5c6066\">nothing yet</text>",
            MARGIN.0
        );
        return;
    };
    let frame = Frame {
        top,
        x: (x.0.min(0.0), x.1),
        y,
        log,
    };
    let (left, right) = (MARGIN.0, WIDTH - MARGIN.1);
    let (upper, lower) = (top + MARGIN.2, top + PANEL - MARGIN.3);
    for tick in ticks(y, log) {
        let at = frame.y(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#dcdee1\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" \
             fill=\"#5c6066\">{}</text>",
            left - 8.0,
            at + 4.0,
            short(tick)
        );
    }
    for tick in ticks(frame.x, false) {
        let at = frame.x(tick);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {upper:.1}V{lower:.1}\" stroke=\"#dcdee1\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\" fill=\"#5c6066\">{}</text>",
            lower + 16.0,
            short(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#5c6066\">epochs</text>\n\
         <clipPath id=\"clip{top}\"><rect x=\"{left}\" y=\"{upper}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
         <g fill=\"none\" stroke-width=\"1.5\" clip-path=\"url(#clip{top})\">",
        upper - 6.0,
        right - left,
        lower - upper
    );
    for curve in &curves {
        draw(svg, &frame, curve);
    }
    *svg += "</g>\n";
}

fn draw(svg: &mut String, frame: &Frame, curve: &Drawn) {
    let colour = COLOURS[curve.colour];
    let shown = |value: f64| value.is_finite() && (!frame.log || value > 0.0);
    let point = |x: f64, y: f64| format!("{:.1} {:.1}", frame.x(x), frame.y(y));
    if let Some((low, high)) = &curve.band {
        let upper = curve.x.iter().zip(high).filter(|(_, y)| shown(**y));
        let lower = curve.x.iter().zip(low).rev().filter(|(_, y)| shown(**y));
        let points: Vec<String> = upper.chain(lower).map(|(&x, &y)| point(x, y)).collect();
        let _ = writeln!(
            svg,
            "<path d=\"M{}Z\" fill=\"{colour}\" fill-opacity=\"0.18\"/>",
            points.join("L")
        );
    }
    let mut path = String::new();
    let mut is_on = false;
    let count = curve.mean.iter().filter(|value| shown(**value)).count();
    for (&x, &y) in curve.x.iter().zip(&curve.mean) {
        if shown(y) {
            path += if is_on { "L" } else { "M" };
            path += &point(x, y);
        }
        is_on = shown(y);
        // One epoch is a point, and no line.
        if shown(y) && count <= 30 {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>",
                frame.x(x),
                frame.y(y)
            );
        }
    }
    let dash = DASHES[curve.dash];
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>"
    );
}

/// Round numbers within a range: four to eight steps of 1, 2 or 5, or the powers of ten.
fn ticks((low, high): (f64, f64), log: bool) -> Vec<f64> {
    if log {
        let (first, last) = (low.log10().ceil() as i32, high.log10().floor() as i32);
        if last > first {
            return (first..=last).map(|power| 10f64.powi(power)).collect();
        }
    }
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|&step| step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    (0..20)
        .map(|at| (first + f64::from(at)) * step)
        .take_while(|&tick| tick <= high * (1.0 + 1e-9))
        .collect()
}

/// A number of an axis.
fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.0e}"),
        _ => format!("{value:.4}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::data::State;
    use crate::run::follow::Follower;

    fn follower(folder: &std::path::Path, name: &str, steps: u64) -> Follower {
        let line = |at: u64| {
            let loss = 3.0 / at as f64;
            format!(
                "{{\"kind\":\"step\",\"epoch\":0,\"global_step\":{at},\"loss\":{loss},\"train_top1\":0.5,\"lr\":0.1}}\n"
            )
        };
        let epoch = format!(
            "{{\"kind\":\"epoch\",\"epoch\":0,\"steps\":{steps},\"global_step\":{steps},\"val\":{{\"loss\":1,\"top1\":0.25}}}}\n"
        );
        fs::write(
            folder.join("metrics.jsonl"),
            (1..=steps).map(line).collect::<String>() + &epoch,
        )
        .unwrap();
        let mut follower = Follower::new(folder, name);
        follower.refresh().unwrap();
        follower
    }

    #[test]
    fn names_of_strangers_stay_text_and_the_picture_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let name = "</text><script>alert(1)</script>&\u{1}";
        let one = follower(folder.path(), name, 50);
        let runs = [one.data(State::Finished)];
        let svg = svg(&runs);
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;alert(1)"));
        let png = png(&runs).unwrap();
        let picture = mnasnet_data::decode(&png).unwrap();
        assert_eq!(picture.width, 1800);
        // White ground, and something in the run's colour.
        let ground = picture
            .pixels
            .as_chunks::<3>()
            .0
            .iter()
            .filter(|pixel| **pixel == [255; 3])
            .count();
        let blue = picture.pixels.as_chunks::<3>().0.contains(&[0, 0x72, 0xb2]);
        assert!(blue && ground * 10 > picture.pixels.len() / 3 * 8, "{ground}");
    }

    #[test]
    fn curves_lie_where_their_values_are() {
        let folder = tempfile::tempdir().unwrap();
        let one = follower(folder.path(), "run", 4);
        let svg = svg(&[one.data(State::Finished)]);
        // Validation's one point of the loss: 1 of 0.75 to 3, after one epoch, at the right edge.
        let (top, tall) = (LINE * 2.0 + 16.0, PANEL - MARGIN.2 - MARGIN.3);
        let expected = top + PANEL - MARGIN.3 - (1.0 - 0.75) / (3.0 - 0.75) * tall;
        let point = format!("<circle cx=\"{:.1}\" cy=\"{expected:.1}\"", WIDTH - MARGIN.1);
        assert!(svg.contains(&point), "{point}\n{svg}");
        let nothing = Follower::new(folder.path(), "none");
        let empty = super::svg(&[nothing.data(State::Stopped)]);
        assert_eq!(empty.matches("nothing yet").count(), 3);
    }

    #[test]
    fn axes_have_round_numbers() {
        let words = |range, log| ticks(range, log).into_iter().map(short).collect::<Vec<_>>().join(" ");
        assert_eq!(words((0.0, 6.0), false), "0 2 4 6");
        assert_eq!(words((0.13, 0.61), false), "0.2 0.3 0.4 0.5 0.6");
        assert_eq!(words((0.5, 2000.0), true), "1 10 100 1000");
        assert_eq!(words((0.0, 3e-5), false), "0 1e-5 2e-5 3e-5");
    }
}
