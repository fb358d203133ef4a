//! Arguments that say what becomes of photos before a model sees them.

use mnasnet_data::{Interpolation, Preprocessing};
use mnasnet_settings::config::Channels;
use mnasnet_settings::wiring;

use super::{number, side};
use crate::failure::Failure;
use crate::settings::Valued;

/// What becomes of photos.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PixelArgs {
    /// Side of the images that the model sees, pixels; a photo is resized in proportion
    #[arg(long, value_name = "R", value_parser = side())]
    pub resolution: Option<usize>,
    /// Shorter side that photos are resized to before the middle is taken, pixels
    #[arg(long, value_name = "N", value_parser = side(), conflicts_with_all = ["crop_ratio", "no_resize"])]
    pub resize: Option<usize>,
    /// The same as the part of the shorter side that is taken: 0.875 resizes to 256 pixels for 224 (timm's crop_pct)
    // Less than an eighth would make photos larger than any is.
    #[arg(long = "crop_ratio", alias = "crop_pct", value_name = "X", value_parser = number(0.125..=1.0))]
    #[arg(conflicts_with = "no_resize")]
    pub crop_ratio: Option<f64>,
    /// Take the middle of photos as large as they are
    #[arg(long = "no-resize")]
    pub no_resize: bool,
    /// How photos are resized
    #[arg(long, value_name = "NAME", value_parser = Valued::<Interpolation>::by("interpolation"))]
    pub interpolation: Option<Interpolation>,
    /// Mean of the pixels that is taken off, 0 to 1: one number, or R,G,B
    #[arg(long, value_name = "R,G,B", value_parser = Valued::<Channels>::by("mean"), allow_hyphen_values = true)]
    pub mean: Option<Channels>,
    /// Standard deviation that pixels are divided by, likewise
    #[arg(long, value_name = "R,G,B", value_parser = Valued::<Channels>::by("std"), allow_hyphen_values = true)]
    pub std: Option<Channels>,
}

impl PixelArgs {
    /// All flags, for messages.
    pub const FLAGS: &str = "--resize, --crop-ratio, --no-resize, --interpolation, --mean, --std";

    /// The flags that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--resolution", self.resolution.is_some()),
            ("--resize", self.resize.is_some()),
            ("--crop-ratio", self.crop_ratio.is_some()),
            ("--no-resize", self.no_resize),
            ("--interpolation", self.interpolation.is_some()),
            ("--mean", self.mean.is_some()),
            ("--std", self.std.is_some()),
        ];
        let given = flags.into_iter().filter(|flag| flag.1);
        given.map(|flag| flag.0).collect()
    }

    /// Whether nothing is said of how bytes become numbers.
    pub fn leaves_numbers(&self) -> bool {
        self.mean.is_none() && self.std.is_none()
    }

    /// Takes what was given.
    ///
    /// # Errors
    /// A shorter side that the images do not fit into.
    pub fn apply(&self, preprocessing: &mut Preprocessing) -> Result<(), Failure> {
        if let Some(resolution) = self.resolution {
            preprocessing.resize_to(resolution);
        }
        let resolution = preprocessing.resolution;
        if let Some(resize) = self.resize {
            preprocessing.resize = resize;
        }
        if let Some(ratio) = self.crop_ratio {
            // As timm and mindcv round it.
            preprocessing.resize = (resolution as f64 / ratio) as usize;
        }
        if self.no_resize {
            preprocessing.resize = 0;
        }
        if (1..resolution).contains(&preprocessing.resize) {
            return Err(Failure::Usage(format!(
                "photos of a shorter side of {} pixels have no middle of {resolution}; give a --resize of {resolution} or more, or a \
                 smaller --resolution",
                preprocessing.resize
            )));
        }
        preprocessing.interpolation = self.interpolation.unwrap_or(preprocessing.interpolation);
        if let Some(Channels(Some(std))) = self.std
            && let Some(deviation) = std.into_iter().find(|&deviation| deviation <= 0.0)
        {
            return Err(Failure::Usage(format!("`--std` must be above 0, not {deviation}")));
        }
        let (mean, std) = (self.mean.unwrap_or_default(), self.std.unwrap_or_default());
        wiring::normalised_by(preprocessing, mean, std);
        Ok(())
    }
}
