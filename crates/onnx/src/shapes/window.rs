//! Windows that slide over images.

use super::rules::is_channels_last;
use super::value::{Value, attribute, int, ints};
use crate::proto::Node;
use crate::read::text;

/// Whether an operation takes a pixel's channels together, last.
pub(super) fn channels_last(node: &Node) -> bool {
    int(node, "channels_last", 0) == 1 || is_channels_last(text(&node.op_type))
}

/// What a window that slides over an image makes of it.
pub(super) fn window(node: &Node, sides: &[usize], channels: Option<usize>, kernel: &[usize]) -> Result<Value, String> {
    let last = channels_last(node);
    let (images, c_in, space) = match *sides {
        [images, ref space @ .., channels] if last => (images, channels, space),
        [images, channels, ref space @ ..] => (images, channels, space),
        _ => (0, 0, &[][..]),
    };
    let axes = space.len();
    if axes == 0 || kernel.len() != axes {
        return Err(format!(
            "slides a window of {kernel:?} over {sides:?}, which is no image"
        ));
    }
    let row = |name: &str, default: usize, length: usize| match ints(node, name)? {
        None => Ok(vec![default; length]),
        Some(list) if list.len() == length => Ok(list),
        Some(list) => Err(format!("has {} {name}, not {length}", list.len())),
    };
    let (strides, dilations) = (row("strides", 1, axes)?, row("dilations", 1, axes)?);
    let pads = row("pads", 0, 2 * axes)?;
    let automatic = attribute(node, "auto_pad").and_then(|found| found.s.as_deref());
    // With as much padding as fills a window, as many steps as a window of one pixel has.
    let filled = matches!(automatic, Some(b"SAME_UPPER" | b"SAME_LOWER"));
    let up = int(node, "ceil_mode", 0) == 1;
    let mut output = Vec::with_capacity(axes);
    for axis in 0..axes {
        let (stride, dilation, kernel) = (strides[axis], dilations[axis], kernel[axis]);
        let padded = match automatic {
            None | Some(b"NOTSET") => space[axis] + pads[axis] + pads[axis + axes],
            Some(_) => space[axis],
        };
        let reach = match filled {
            true => 1,
            false => kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1),
        };
        if kernel == 0 || stride == 0 || dilation == 0 || reach > padded {
            return Err(format!(
                "slides a window of {kernel} over a side of {padded} in steps of {stride}"
            ));
        }
        let steps = match up {
            true => (padded - reach).div_ceil(stride),
            false => (padded - reach) / stride,
        };
        output.push(steps + 1);
    }
    let channels = channels.unwrap_or(c_in);
    match last {
        true => output.push(channels),
        false => output.insert(0, channels),
    }
    output.insert(0, images);
    Value::new(output)
}
