//! A run's events for TensorBoard, in the folder `tensorboard` of the run's.

use std::io;
use std::path::Path;

use mnasnet_data::Batch;
use mnasnet_settings::config::{Config, KEYS};
use mnasnet_tensorboard::event_file::now;
use mnasnet_tensorboard::summary::{Setting, histogram, hparams, images, scalar, text};
use mnasnet_tensorboard::{EventFile, Value};
use mnasnet_weights_file::progress::Progress;

use crate::folder::log::{EpochLog, StepLog, ValidationLog};

/// Images of a batch that are shown.
const IMAGES: usize = 8;
/// How tags of what is told after the last step begin.
const AFTER_A_STEP: [&str; 6] = ["val/", "ema/", "epoch/", "weights/", "gradients/", "settings"];

/// Events, where they are kept.
#[derive(Debug)]
pub(crate) struct Events(Option<EventFile>);

impl Events {
    /// None are kept.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    /// Begins events in the run's folder `out`, where `config` asks for them, behind those that are there up to `progress`.
    pub(crate) fn open(out: &Path, config: &Config, progress: &Progress) -> io::Result<Self> {
        if !config.tensorboard {
            return Ok(Self::nowhere());
        }
        let done = progress.global_step;
        // A run that stopped between an epoch's last step and the epoch's validation does the validation again, but not the step.
        let is_validated = progress.step == 0;
        let from = if done > 0 && is_validated { done + 1 } else { done };
        let is_later = |value: &Value| AFTER_A_STEP.iter().any(|head| value.tag.starts_with(head));
        let keep = |step: i64, values: &[Value]| step == done as i64 && step > 0 && !values.iter().any(is_later);
        let mut events = Self(Some(EventFile::begin(&out.join("tensorboard"), from as i64, keep)?));
        let mut start = vec![text("settings", &format!("```toml\n{}```\n", config.to_toml()))];
        // TensorBoard takes the first that it reads.
        if done == 0 {
            let settings = KEYS.iter().zip(config.values());
            let settings: Vec<_> = settings.map(|(key, value)| (key.name, setting(value))).collect();
            start.extend(hparams(&settings, &["val/top1", "val/loss"], now()));
        }
        events.write(done, start)?;
        Ok(events)
    }

    pub(crate) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    fn write(&mut self, step: u64, values: Vec<Value>) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), |file| file.write(step as i64, values))
    }

    /// Writes a step's numbers.
    pub(crate) fn step(&mut self, step: &StepLog) -> io::Result<()> {
        let numbers = [
            ("loss", f64::from(step.loss)),
            ("top1", step.train_top1),
            ("lr", f64::from(step.lr)),
            ("grad_norm", step.grad_norm),
            ("images_per_s", step.images_per_s),
            ("wait_s", step.wait_s),
        ];
        let values = numbers.map(|(name, number)| scalar(&format!("train/{name}"), number));
        self.write(step.global_step, values.into())
    }

    /// Writes an epoch's numbers.
    pub(crate) fn epoch(&mut self, epoch: &EpochLog) -> io::Result<()> {
        let mut values = vec![
            scalar("epoch/train_loss", epoch.train_loss),
            scalar("epoch/train_top1", epoch.train_top1),
            scalar("epoch/images_per_s", epoch.images_per_s),
            scalar("epoch/epoch", (epoch.epoch + 1) as f64),
        ];
        for (whose, validation) in [("val", Some(epoch.val)), ("ema", epoch.ema)] {
            let Some(ValidationLog { loss, top1, top5, .. }) = validation else {
                continue;
            };
            let numbers = [("loss", loss), ("top1", top1), ("top5", top5)];
            values.extend(numbers.map(|(name, number)| scalar(&format!("{whose}/{name}"), number)));
        }
        self.write(epoch.global_step, values)
    }

    /// Writes how the values of tensors are spread.
    pub(crate) fn histograms<'a>(
        &mut self,
        what: &str,
        step: u64,
        tensors: impl Iterator<Item = (&'a str, &'a [f32])>,
    ) -> io::Result<()> {
        let values = tensors.filter_map(|(name, values)| histogram(&format!("{what}/{name}"), values));
        self.write(step, values.collect())
    }

    /// Writes the first images of a batch, as the network sees them but for the normalisation.
    pub(crate) fn images(&mut self, step: u64, batch: &Batch) -> io::Result<()> {
        let (width, height) = batch.size;
        let image = width * height * 3;
        if image == 0 || batch.pixels.is_empty() {
            return Ok(());
        }
        let files = batch.pixels.chunks_exact(image).take(IMAGES);
        let files: io::Result<Vec<Vec<u8>>> = files.map(|pixels| png(pixels, width, height)).collect();
        self.write(step, vec![images("train/batch", [width, height], files?)])
    }
}

/// `[height, width, 3]` pixels as a PNG file.
fn png(pixels: &[u8], width: usize, height: usize) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

fn setting(value: toml::Value) -> Setting {
    match value {
        toml::Value::Integer(number) => Setting::Number(number as f64),
        toml::Value::Float(number) => Setting::Number(number),
        toml::Value::Boolean(is) => Setting::Bool(is),
        toml::Value::String(text) => Setting::Text(text),
        other => Setting::Text(other.to_string()),
    }
}
