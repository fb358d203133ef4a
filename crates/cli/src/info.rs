//! `mnasnet info`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use mnasnet_model::{Network, Summary, Variant};
use mnasnet_onnx::is_onnx;
use mnasnet_settings::network_file;
use mnasnet_weights_file::{WeightsFile, network_of};

use crate::args::InfoArgs;
use crate::console::{print, print_json};
use crate::failure::{Exit, Failure};
use crate::paths;

/// Side of the image where nothing says another.
const RESOLUTION: usize = 224;
/// Classes likewise.
const CLASSES: usize = 1000;

/// The network of weights, and the side of the image that they know; or the network that has this name.
fn named(of: &Path) -> Result<(Network, usize), Failure> {
    let is_network = |name: &str| network_file::is_path(name) || Variant::by_name(name).is_ok();
    if let (false, Some(name)) = (of.is_dir(), of.to_str().filter(|name| is_network(name))) {
        let network = Network::build(&network_file::variant(name)?, 1.0, CLASSES, None)?;
        return Ok((network, RESOLUTION));
    }
    let path = paths::weights(of)?;
    if is_onnx(&path) {
        return Err(Failure::Usage(format!(
            "{} is an ONNX model, and `info` tells the layers of weights; give those that it was exported from",
            path.display()
        )));
    }
    let file = WeightsFile::open(&path)?;
    let network = network_of(&path, file.record())?;
    Ok((network, file.record().preprocessing.resolution))
}

/// Prints the layer table.
pub fn run(args: &InfoArgs) -> Result<Exit, Failure> {
    let (network, resolution) = match &args.of {
        Some(of) => named(of)?,
        None => {
            let variant = network_file::variant(&args.model)?;
            (Network::build(&variant, args.width, args.classes, None)?, RESOLUTION)
        }
    };
    let summary = Summary::new(&network, args.resolution.unwrap_or(resolution))?;
    if let Some(path) = &args.write {
        write(path, &network.variant)?;
    }
    if args.json {
        print_json(&summary)?;
    } else {
        print(&table(&summary))?;
    }
    Ok(Exit::Success)
}

/// Writes a file of rows. One that is there stays, as somebody may have edited it.
fn write(path: &Path, variant: &Variant) -> Result<(), Failure> {
    if !network_file::is_path(&path.to_string_lossy()) {
        let refusal = format!("--write {}: a network's file ends in .toml", path.display());
        return Err(Failure::Usage(refusal));
    }
    let text =
        network_file::text(variant).map_err(|error| Failure::Usage(format!("cannot write the rows: {error}")))?;
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Usage(format!("{}: cannot write the network: {error}", path.display())))
}

fn table(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 7]| {
        let [name, op, kernel, output, parameters, multiply_adds, bytes] = cells;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name:<24} {op:<15} {kernel:>7} {output:>14} {parameters:>12} {multiply_adds:>14} {bytes:>14}"
        );
    };
    line([
        "layer",
        "operation",
        "kernel",
        "output HxWxC",
        "parameters",
        "multiply-adds",
        "output bytes",
    ]);
    for row in &summary.layers {
        let kernel = match (row.kernel, row.stride) {
            (Some(kernel), Some(1)) => format!("{kernel}x{kernel}"),
            (Some(kernel), Some(stride)) => format!("{kernel}x{kernel}/{stride}"),
            _ => String::new(),
        };
        let shape = &row.output;
        let output = format!("{}x{}x{}", shape.height, shape.width, shape.channels);
        line([
            &row.name,
            row.op,
            &kernel,
            &output,
            &grouped(row.parameters),
            &grouped(row.multiply_adds),
            &grouped(row.activation_bytes),
        ]);
    }
    let Summary {
        variant,
        origin,
        width,
        classes,
        resolution,
        ..
    } = summary;
    let origin = match origin.as_str() {
        "" => String::new(),
        origin => format!(" (as {origin})"),
    };
    text += &format!(
        "\n{variant} at width {width}, {classes} classes, {resolution}x{resolution} pixels{origin}\n\
         {} parameters, {} running statistics, {} multiply-adds an image, {:.1} MiB of activations an image",
        grouped(summary.parameters),
        grouped(summary.buffers),
        grouped(summary.multiply_adds),
        summary.activation_bytes as f64 / f64::from(1 << 20)
    );
    text
}

/// Digits in groups of three: `4,383,312`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = tail
        .as_bytes()
        .chunks(3)
        .map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (!head.is_empty()).then(|| head.to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (4_383_312, "4,383,312"),
            (12_345, "12,345"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
