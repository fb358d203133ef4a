//! How a model is written.

/// How a model is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Images a call; `None` leaves it to the caller of the model.
    pub batch: Option<usize>,
    /// Side of the images, pixels.
    pub resolution: usize,
    /// Version of ONNX's operator set.
    pub opset: u32,
    /// Batch norm goes into the convolutions.
    pub fold_bn: bool,
    /// Weights and arithmetic are float16; input and output stay float32.
    pub half: bool,
    /// The output is probabilities instead of logits.
    pub softmax: bool,
    /// What becomes of photos, where the model takes them as they are.
    pub preprocess: Option<Preprocess>,
}

impl Options {
    /// The operator set that every current runtime reads.
    pub const OPSET: u32 = 17;

    /// float32 images of `resolution` in any number, batch norm folded, logits out.
    pub fn new(resolution: usize) -> Self {
        Self {
            batch: None,
            resolution,
            opset: Self::OPSET,
            fold_bn: true,
            half: false,
            softmax: false,
            preprocess: None,
        }
    }

    /// Name of the model's output.
    pub fn output_name(&self) -> &'static str {
        if self.softmax { "probabilities" } else { "logits" }
    }
}

/// How photos are resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// Pillow's bilinear, smoothed where it makes smaller.
    Bilinear,
    /// Pillow's bicubic, likewise.
    Bicubic,
    /// MindSpore's linear: two by two pixels, whatever the scale.
    MindSpore,
}

/// Resizing of the shorter side, centre crop to the network's resolution, normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// The shorter side before the crop, pixels; no less than the resolution.
    pub resize: usize,
    /// How it is resized.
    pub resampling: Resampling,
    /// Factor of each channel's bytes.
    pub scale: [f32; 3],
    /// Added after it.
    pub shift: [f32; 3],
}
