//! GPUs: none yet.

use mnasnet_engine::{Cpu, EngineError};

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "no adapter is found yet")]
pub enum Kind {
    /// A card of its own.
    Discrete,
    /// A part of the processor's chip.
    Integrated,
    /// A virtual machine's.
    Virtual,
    /// A processor that computes as a GPU.
    Software,
    /// Unknown.
    Other,
}

/// A GPU.
pub struct Adapter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its driver.
    pub driver: String,
    /// Its address.
    pub pci: Option<String>,
    /// Its memory.
    pub memory: Option<u64>,
    /// What it has.
    pub features: Vec<&'static str>,
}

impl Adapter {
    /// The name of its device.
    pub fn device_name(&self) -> String {
        format!("vulkan {}", self.name)
    }

    /// Opens it.
    pub fn open(&self) -> Result<Cpu, EngineError> {
        Cpu::detect()
    }
}

/// All.
pub fn adapters() -> Vec<Adapter> {
    Vec::new()
}
