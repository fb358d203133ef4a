//! A model on a runtime, batch by batch.

mod onnx_runtime;
mod provider;
mod rten;

use crate::options::Preprocess;
use crate::read::Model;
use crate::shapes::MAX_VALUES;

pub use self::onnx_runtime::OnnxRuntime;
pub use self::provider::Provider;
pub(crate) use self::rten::{load, pool};

/// What computes a model.
#[derive(Clone)]
pub enum Runtime {
    /// rten, in Rust and linked in.
    Rten,
    /// ONNX Runtime, a library of the user's.
    OnnxRuntime(OnnxRuntime),
}

impl Runtime {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Runtime::Rten => "rten",
            Runtime::OnnxRuntime(library) => library.provider().runtime_name(),
        }
    }
}

/// A model, ready to run.
pub struct Session {
    loaded: Loaded,
    batch: Option<usize>,
    /// Images a call, at most.
    most: usize,
    resolution: usize,
    photos: Option<Preprocess>,
    classes: usize,
}

/// A model as its runtime holds it. Each has `call`: values and their sides in, what the output holds appended to `logits`, its
/// sides out.
enum Loaded {
    Rten(Box<rten::Loaded>),
    OnnxRuntime(onnx_runtime::Loaded),
}

impl Session {
    /// Loads a model, to run on `threads` threads, with results of no more than `memory` bytes at a time.
    ///
    /// # Errors
    /// A model whose results have no room for one call, and what the runtime has to say.
    pub fn new(model: &Model, runtime: &Runtime, threads: usize, memory: u64) -> Result<Self, String> {
        let image = model.image_bytes.max(1) as u64;
        let (room, least) = (memory / image, model.batch.unwrap_or(1));
        if room < least as u64 {
            return Err(format!(
                "its results may take {} MiB a call, and {} MiB are available; run it on a machine with more memory, or \
                 export it for a lower resolution or fewer images a call",
                (image * least as u64) >> 20,
                memory >> 20
            ));
        }
        if let (Some(_), Runtime::Rten) = (&model.photos, runtime) {
            return Err(
                "it takes photos as they are, which rten cannot resize; run it on ONNX Runtime (`--runtime onnxruntime`), or \
                 export it without preprocessing"
                    .into(),
            );
        }
        Ok(Self {
            loaded: match runtime {
                Runtime::Rten => Loaded::Rten(Box::new(rten::Loaded::new(model, threads)?)),
                Runtime::OnnxRuntime(library) => Loaded::OnnxRuntime(library.load(model, threads)?),
            },
            batch: model.batch,
            most: usize::try_from(room).map_or(model.most, |room| room.min(model.most)),
            resolution: model.resolution,
            photos: model.photos.clone(),
            classes: model.classes,
        })
    }

    /// Writes the output `[images, classes]` for `images`, float32 `[images, 3, resolution, resolution]`, into `logits`. A model of a
    /// fixed batch is called as often as it takes, its last call filled up with black.
    ///
    /// # Errors
    /// Images of another size, a model that takes photos, and what the runtime has to say.
    pub fn run(&mut self, images: &[f32], logits: &mut Vec<f32>) -> Result<(), String> {
        if self.photos.is_some() {
            return Err("it takes photos, not images".into());
        }
        let sides = [3, self.resolution, self.resolution];
        self.calls(
            self.most,
            images,
            sides,
            logits,
            |loaded, images, sides, logits| match loaded {
                Loaded::Rten(model) => model.call(images, sides, logits),
                Loaded::OnnxRuntime(model) => model.call(images, sides, logits),
            },
        )
    }

    /// The same for a model that takes photos: bytes `[images, height, width, 3]`.
    ///
    /// # Errors
    /// A model that takes images, photos so long that they would not fit resized, and what the runtime has to say.
    pub fn run_photos(
        &mut self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        logits: &mut Vec<f32>,
    ) -> Result<(), String> {
        let Some(preprocess) = &self.photos else {
            return Err("it takes images, not photos".into());
        };
        // Values of one photo, as it is and resized: each has its bound.
        let values = preprocess.resized(height, width).max(height * width).saturating_mul(3);
        let most = MAX_VALUES / values.max(1);
        if most < self.batch.unwrap_or(1) {
            return Err(format!(
                "a photo of {width} x {height} would have {values} values when it is resized, more than {MAX_VALUES}"
            ));
        }
        self.calls(
            most.min(self.most),
            pixels,
            [height, width, 3],
            logits,
            |loaded, pixels, sides, logits| match loaded {
                Loaded::Rten(_) => Err("rten resizes no photos".into()),
                Loaded::OnnxRuntime(model) => model.call(pixels, sides, logits),
            },
        )
    }

    /// Calls the model as often as `values` of images of these `sides` need, with no more than `most` at a time.
    fn calls<T: Copy + Default>(
        &mut self,
        most: usize,
        values: &[T],
        sides: [usize; 3],
        logits: &mut Vec<f32>,
        mut call: impl FnMut(&mut Loaded, &[T], [usize; 4], &mut Vec<f32>) -> Result<Vec<usize>, String>,
    ) -> Result<(), String> {
        let [a, b, c] = sides;
        let image = a * b * c;
        logits.clear();
        if image == 0 || !values.len().is_multiple_of(image) {
            return Err(format!("{} values are no images of {image}", values.len()));
        }
        let batch = self.batch.unwrap_or((values.len() / image).clamp(1, most));
        for chunk in values.chunks(batch * image) {
            let there = chunk.len() / image;
            let size = self.batch.unwrap_or(there);
            let before = logits.len();
            let output = if there == size {
                call(&mut self.loaded, chunk, [size, a, b, c], logits)?
            } else {
                let mut filled = chunk.to_vec();
                filled.resize(size * image, T::default());
                call(&mut self.loaded, &filled, [size, a, b, c], logits)?
            };
            if output != [size, self.classes] {
                return Err(format!("its output is {output:?}, not [{size}, {}]", self.classes));
            }
            logits.truncate(before + there * self.classes);
        }
        Ok(())
    }
}
