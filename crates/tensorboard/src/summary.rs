//! What a tag has at a step: scalars, histograms, images, text, settings, each as TensorBoard 2's plugin of the kind reads it.

use crate::proto::{
    BLOB_SEQUENCE, DT_DOUBLE, DT_FLOAT, DT_STRING, Dim, Experiment, HParams, HParamsWhat, Metadata, Metric, MetricName,
    Plain, PlainWhat, PluginData, SessionStart, Shape, TENSOR, Tensor, Value,
};
use prost::Message;

/// Buckets of a histogram, as TensorBoard's own histograms have.
const BUCKETS: usize = 30;

/// A setting of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// Anything else.
    Text(String),
}

/// A number, as PyTorch writes it: TensorBoard makes of it what it makes of a tensor, and `EventAccumulator.Scalars` has it.
pub fn scalar(tag: &str, number: f64) -> Value {
    Value {
        tag: tag.to_owned(),
        simple_value: Some(number as f32),
        tensor: None,
        metadata: None,
    }
}

/// How many of `values` lie in each of 30 ranges from the least to the greatest. What is no number is left out. `None` where nothing
/// is left.
pub fn histogram(tag: &str, values: &[f32]) -> Option<Value> {
    let finite = || values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
    let (least, greatest) = finite().fold(None, |ends: Option<(f64, f64)>, value| {
        let (least, greatest) = ends.unwrap_or((value, value));
        Some((least.min(value), greatest.max(value)))
    })?;
    let width = (greatest - least) / BUCKETS as f64;
    let mut counts = [0u64; BUCKETS];
    for value in finite() {
        // Where all are one value, the last range has them, as TensorBoard's own do.
        let bucket = match width > 0.0 {
            true => ((value - least) / width) as usize,
            false => BUCKETS,
        };
        counts[bucket.min(BUCKETS - 1)] += 1;
    }
    let edge = |i: usize| match i {
        BUCKETS => greatest,
        _ => least + width * i as f64,
    };
    let rows = counts
        .iter()
        .enumerate()
        .map(|(i, &count)| [edge(i), edge(i + 1), count as f64]);
    let tensor = Tensor {
        dtype: DT_DOUBLE,
        shape: shape(&[BUCKETS, 3]),
        content: rows.flatten().flat_map(f64::to_le_bytes).collect(),
        ..Tensor::default()
    };
    Some(value(tag, "histograms", TENSOR, Vec::new(), tensor))
}

/// Images of one size, each a whole PNG file.
pub fn images(tag: &str, [width, height]: [usize; 2], files: Vec<Vec<u8>>) -> Value {
    let mut strings = vec![width.to_string().into_bytes(), height.to_string().into_bytes()];
    strings.extend(files);
    let tensor = Tensor {
        dtype: DT_STRING,
        shape: shape(&[strings.len()]),
        strings,
        ..Tensor::default()
    };
    value(tag, "images", BLOB_SEQUENCE, Vec::new(), tensor)
}

/// Text, which TensorBoard shows as Markdown.
pub fn text(tag: &str, text: &str) -> Value {
    let tensor = Tensor {
        dtype: DT_STRING,
        shape: shape(&[]),
        strings: vec![text.as_bytes().to_vec()],
        ..Tensor::default()
    };
    value(tag, "text", TENSOR, Vec::new(), tensor)
}

/// What a run is made with, and the tags that it is judged by: a row of TensorBoard's table of hyperparameters. `start` is in seconds
/// since 1970.
pub fn hparams(settings: &[(&str, Setting)], metrics: &[&str], start: f64) -> [Value; 2] {
    let plain = |setting: &Setting| Plain {
        what: Some(match setting {
            Setting::Number(number) => PlainWhat::Number(*number),
            Setting::Bool(is) => PlainWhat::Bool(*is),
            Setting::Text(text) => PlainWhat::Text(text.clone()),
        }),
    };
    let metric = |tag: &&str| Metric {
        name: Some(MetricName { tag: (*tag).to_owned() }),
    };
    let experiment = HParamsWhat::Experiment(Experiment {
        metrics: metrics.iter().map(metric).collect(),
    });
    let session = HParamsWhat::Start(SessionStart {
        hparams: settings
            .iter()
            .map(|(name, setting)| ((*name).to_owned(), plain(setting)))
            .collect(),
        start_time_secs: start,
    });
    let of_plugin = |tag, what| {
        let content = HParams {
            version: 0,
            what: Some(what),
        };
        // The plugin reads the metadata alone, but a value without a tensor counts for nothing.
        let tensor = Tensor {
            dtype: DT_FLOAT,
            shape: shape(&[]),
            floats: vec![0.0],
            ..Tensor::default()
        };
        value(tag, "hparams", TENSOR, content.encode_to_vec(), tensor)
    };
    [
        of_plugin("_hparams_/experiment", experiment),
        of_plugin("_hparams_/session_start_info", session),
    ]
}

fn shape(sizes: &[usize]) -> Option<Shape> {
    let dim = sizes.iter().map(|&size| Dim { size: size as i64 }).collect();
    Some(Shape { dim })
}

fn value(tag: &str, plugin: &str, data_class: i32, content: Vec<u8>, tensor: Tensor) -> Value {
    let plugin_data = PluginData {
        plugin_name: plugin.to_owned(),
        content,
    };
    Value {
        tag: tag.to_owned(),
        simple_value: None,
        tensor: Some(tensor),
        metadata: Some(Metadata {
            plugin_data: Some(plugin_data),
            data_class,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(value: &Value) -> Vec<[f64; 3]> {
        let content = &value.tensor.as_ref().unwrap().content;
        let numbers: Vec<f64> = content
            .chunks_exact(8)
            .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        numbers.chunks_exact(3).map(|row| [row[0], row[1], row[2]]).collect()
    }

    #[test]
    fn a_histogram_counts_every_number_once_between_its_ends() {
        let values: Vec<f32> = (0..=300).map(|i| i as f32 / 10.0 - 5.0).collect();
        let rows = rows(&histogram("t", &values).unwrap());
        assert_eq!(rows.len(), BUCKETS);
        assert_eq!((rows[0][0], rows[29][1]), (-5.0, 25.0));
        assert_eq!(rows.iter().map(|row| row[2]).sum::<f64>(), 301.0);
        assert!(rows.windows(2).all(|pair| pair[0][1] == pair[1][0]));
    }

    #[test]
    fn one_value_and_what_is_no_number() {
        let rows = rows(&histogram("t", &[2.0, f32::NAN, 2.0, f32::INFINITY]).unwrap());
        assert_eq!(rows[29], [2.0, 2.0, 2.0]);
        assert!(rows[..29].iter().all(|row| row[2] == 0.0));
        assert_eq!(histogram("t", &[f32::NAN]), None);
        assert_eq!(histogram("t", &[]), None);
    }
}
