//! Networks of bytes on the processor.
//!
//! A task takes a few images through all layers, in an arena of its own that its core's caches hold. Where there are too few images for
//! that, each layer's loops are shared out instead. Sums are integers, so neither changes a bit.

mod layers;

use std::sync::{Mutex, PoisonError};

use super::Cpu;
use super::room::CACHE_LINE;
use crate::error::EngineError;
use crate::input::{Normalise, Pixels, check_pixels};
use crate::places::{self, Lifetime};
use layers::Prepared;
use mnasnet_kernels::bytes::Unit;
use mnasnet_kernels::pool::{self, chunks_mut, for_each};
use mnasnet_kernels::{Context, Memory};
use mnasnet_model::quantised::{QuantisedNetwork, Value};
use std::ops::Range;

/// Most images that a task takes through all layers.
const TOGETHER: usize = 4;

/// Values of a task that makes bytes of images: whole pixels.
const CHUNK: usize = 3 << 12;

/// A network of bytes, ready for images: see [`crate::Predictor`], its like for networks of floats.
pub struct QuantisedPredictor {
    values: Vec<Value>,
    layers: Prepared,
    /// Where each value of a task's images lies in an arena.
    places: Vec<Range<usize>>,
    /// Images of a task.
    together: usize,
    batch: usize,
    classes: usize,
    context: Context,
    /// An arena for each worker.
    arenas: Vec<Mutex<Memory>>,
    logits: Vec<f32>,
}

impl QuantisedPredictor {
    /// Plans inference of `network` on `cpu` for up to `batch` images.
    ///
    /// # Errors
    /// No memory.
    pub fn new(cpu: &Cpu, network: &QuantisedNetwork, batch: usize) -> Result<Self, EngineError> {
        let unit = Unit::of(cpu.isa);
        let threads = pool::threads();
        let together = batch.div_ceil(threads).clamp(1, TOGETHER);
        let side = network.values[0].shape.height;
        let needs = layers::needs(network);
        let classes = network.classes;
        let weights = layers::weights(network);
        let layers = Prepared::new(unit, network).map_err(|_| EngineError::no_memory(batch, side, weights))?;
        let (places, len) = place(network, &layers, together);
        let bytes = threads * (len + size_of::<f32>() * needs.scratch) + weights + size_of::<f32>() * batch * classes;
        EngineError::room(batch, side, bytes)?;
        let no_memory = |_| EngineError::no_memory(batch, side, bytes);
        let arena = |_| Memory::new(len).map(Mutex::new);
        Ok(Self {
            values: network.values.clone(),
            layers,
            places,
            together,
            batch,
            classes,
            context: Context::new(cpu.isa, needs, threads).map_err(no_memory)?,
            arenas: (0..threads).map(arena).collect::<Result<_, _>>().map_err(no_memory)?,
            logits: vec![0.0; batch * classes],
        })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let arena = |arena: &Mutex<Memory>| arena.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.context.bytes() + self.layers.bytes() + self.arenas.iter().map(arena).sum::<usize>()
    }

    /// Logits `[images, classes]`.
    ///
    /// # Errors
    /// More images than planned, another number of bytes.
    pub fn logits(&mut self, pixels: Pixels, images: usize) -> Result<&[f32], EngineError> {
        let value = self.values[0];
        let image = value.shape.len();
        check_pixels(self.batch, value.shape.height, pixels, images)?;
        let table = Table::new(pixels, value);
        // Few images are spread over the threads, and fewer than threads are taken one by one by all threads.
        let together = images.div_ceil(pool::threads()).clamp(1, self.together);
        let (classes, logits) = (self.classes, &mut self.logits[..images * self.classes]);
        let task = |first: usize, logits: &mut [f32]| {
            let count = logits.len() / classes;
            let mut arena = self.arenas[pool::worker() % self.arenas.len()]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let place = self.places[0].clone();
            let to = &mut arena[place][..count * image];
            table.write(first * image, to);
            self.layers.run(&self.context, &self.places, count, &mut arena, logits);
        };
        if images >= pool::threads() {
            for_each(chunks_mut(logits, together * classes), |i, logits| {
                task(i * together, logits)
            });
        } else {
            logits
                .chunks_mut(classes)
                .enumerate()
                .for_each(|(i, logits)| task(i, logits));
        }
        Ok(&self.logits[..images * classes])
    }
}

/// How images become the first value's bytes.
enum Table<'a> {
    /// By colour and byte.
    Bytes(&'a [u8], Box<[[u8; 256]; 3]>),
    Floats(&'a [f32], Value),
}

impl<'a> Table<'a> {
    fn new(pixels: Pixels<'a>, value: Value) -> Self {
        match pixels {
            Pixels::U8(pixels, Normalise { scale, shift }) => {
                let byte = |colour: usize, byte: usize| value.scale.byte(scale[colour] * byte as f32 + shift[colour]);
                let table = std::array::from_fn(|colour| std::array::from_fn(|at| byte(colour, at)));
                Table::Bytes(pixels, Box::new(table))
            }
            Pixels::F32(values) => Table::Floats(values, value),
        }
    }

    /// Writes the bytes from `first` on, which is a pixel's first.
    fn write(&self, first: usize, to: &mut [u8]) {
        for_each(chunks_mut(to, CHUNK), |i, to| self.write_chunk(first + i * CHUNK, to));
    }

    fn write_chunk(&self, first: usize, to: &mut [u8]) {
        match self {
            Table::Bytes(pixels, table) => {
                let pixels = pixels[first..][..to.len()].as_chunks().0;
                for (to, pixel) in to.as_chunks_mut().0.iter_mut().zip(pixels) {
                    let [red, green, blue]: [u8; 3] = *pixel;
                    *to = [
                        table[0][usize::from(red)],
                        table[1][usize::from(green)],
                        table[2][usize::from(blue)],
                    ];
                }
            }
            Table::Floats(values, value) => {
                let values = &values[first..][..to.len()];
                to.iter_mut()
                    .zip(values)
                    .for_each(|(to, &number)| *to = value.scale.byte(number));
            }
        }
    }
}

/// A place for each value of `images` images, with the bytes behind it that may be read, and the arena's length.
fn place(network: &QuantisedNetwork, layers: &Prepared, images: usize) -> (Vec<Range<usize>>, usize) {
    let slack = layers::slack(network);
    let nothing = Lifetime {
        len: 0,
        first: 0,
        last: 0,
    };
    let mut lifetimes = vec![nothing; slack.len()];
    let lives = |value: usize, from: usize| Lifetime {
        len: network.values[value].shape.len() * images + slack[value],
        first: from,
        last: from,
    };
    lifetimes[0] = lives(0, 0);
    let mut moment = 0;
    for (reads, made) in layers.reads_and_results() {
        moment += 1;
        reads.into_iter().for_each(|value| lifetimes[value].last = moment);
        lifetimes[made] = lives(made, moment);
    }
    lifetimes[network.output].last = moment + 1;
    places::place(&lifetimes, CACHE_LINE, usize::MAX)
}
