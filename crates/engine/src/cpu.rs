//! The processor: sweeps over the plan, carried out by the kernels.

mod backward;
mod dropout;
mod element;
mod features;
mod forward;
mod gate;
mod geometry;
mod gradients;
mod inference;
mod norm;
mod packed;
mod quantised;
mod room;
mod state;
mod training;
mod values;

use crate::device::{Ceilings, Device, Inference, Training};
use crate::error::EngineError;
use crate::precision::Precision;
pub use features::{FeatureExtractor, Features};
use inference::CpuInference;
use mnasnet_kernels::bytes::Unit;
use mnasnet_kernels::{Isa, peak};
pub use quantised::QuantisedPredictor;
use training::CpuTraining;

/// The processor with one instruction set. It computes on the [`pool`](crate::pool) that it is called in: memory is taken for that
/// pool's threads when a plan is prepared, and sweeps should run in the same pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    isa: Isa,
}

/// A rate in registers or tiles.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// What is multiplied: `float32`, `bfloat16`, `int8`.
    pub numbers: &'static str,
    /// The instruction set, or what multiplies bytes.
    pub name: &'static str,
    /// Multiply-adds a second.
    pub multiply_adds: f64,
    /// Whether it is the one that this processor's sweeps take.
    pub is_picked: bool,
}

impl Cpu {
    /// The environment variable that forces an instruction set.
    pub const VARIABLE: &'static str = Isa::VARIABLE;

    /// The processor with its best instruction set, or with the one that [`Cpu::VARIABLE`] names.
    ///
    /// # Errors
    /// A forced instruction set that the machine lacks.
    pub fn detect() -> Result<Self, EngineError> {
        Ok(Self { isa: Isa::detect()? })
    }

    /// Whether [`Cpu::VARIABLE`] forces an instruction set.
    pub fn is_forced() -> bool {
        std::env::var_os(Self::VARIABLE).is_some_and(|name| !name.is_empty())
    }

    /// Whether a device that is called `name`, maybe of another machine, is a processor.
    pub fn is_called(name: &str) -> bool {
        Isa::NAMES.contains(&name)
    }

    /// What multiplies bytes: see [`QuantisedPredictor`].
    pub fn multiplies_bytes_on(&self) -> &'static str {
        Unit::of(self.isa).name()
    }

    /// Whether it multiplies bytes by instructions of its own, so that INT8 pays.
    pub fn multiplies_bytes_fast(&self) -> bool {
        Unit::of(self.isa).pays()
    }

    /// What the processor does at best in each arithmetic that it has, on the threads of the current pool: measured on the spot.
    pub fn peaks(&self) -> Vec<Peak> {
        let mut peaks = Vec::new();
        let isas = Isa::available().into_iter().filter(|isa| !isa.is_stand_in());
        for isa in isas {
            let is_picked = isa == self.isa;
            let tiles = peak::tile_multiply_adds_per_second(isa);
            // One that has tiles has the vectors of the one before it.
            let (numbers, multiply_adds) = match tiles {
                Some(rate) => ("bfloat16", rate),
                None => ("float32", peak::multiply_adds_per_second(isa)),
            };
            peaks.push(Peak {
                numbers,
                name: isa.name(),
                multiply_adds,
                is_picked,
            });
        }
        let picked = Unit::of(self.isa);
        let units = Unit::available().into_iter().filter(|unit| !unit.is_stand_in());
        peaks.extend(units.map(|unit| Peak {
            numbers: "int8",
            name: unit.name(),
            multiply_adds: peak::byte_multiply_adds_per_second(unit),
            is_picked: unit == picked,
        }));
        peaks
    }

    /// The processor with each of its instruction sets, slowest first, and with those that stand in for what it may lack.
    pub fn all() -> Vec<Self> {
        Isa::available().into_iter().map(|isa| Self { isa }).collect()
    }
}

impl Device for Cpu {
    fn name(&self) -> String {
        self.isa.name().into()
    }

    /// bfloat16 where the processor multiplies tiles of it fast, which is faster throughout. Elsewhere float32: bfloat16 would train
    /// somewhat faster, but predict single images slower.
    fn precision(&self) -> Precision {
        match self.isa.has_tiles() {
            true => Precision::Bf16,
            false => Precision::F32,
        }
    }

    fn training(&self) -> Result<Box<dyn Training>, EngineError> {
        Ok(Box::new(CpuTraining::new(self.isa)))
    }

    fn inference(&self) -> Result<Box<dyn Inference>, EngineError> {
        Ok(Box::new(CpuInference::new(self.isa)))
    }

    fn alternatives(&self) -> Vec<Box<dyn Device>> {
        let others = Isa::available().into_iter();
        let others = others.filter(|&isa| isa != self.isa && !isa.is_stand_in());
        others.map(|isa| Box::new(Self { isa }) as Box<dyn Device>).collect()
    }

    fn ceilings(&self) -> Option<Ceilings> {
        Some(Ceilings {
            multiply_adds: peak::multiply_adds_per_second(self.isa),
            tile_multiply_adds: peak::tile_multiply_adds_per_second(self.isa),
            copied_bytes: peak::copied_bytes_per_second(),
        })
    }

    fn tells_stages(&self) -> bool {
        true
    }
}
