//! Arguments that choose what computes an ONNX model.

use std::path::PathBuf;

use clap::ValueEnum;
use mnasnet_onnx::{OnnxRuntime, Provider, Runtime};

use crate::failure::Failure;

/// What computes an ONNX model.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// What computes ONNX models: rten is part of this program, onnxruntime is a library that is loaded
    #[arg(long, value_name = "NAME", default_value = "rten")]
    pub runtime: RuntimeName,
    /// ONNX Runtime's library, 1.17 or newer [default: the one that ORT_DYLIB_PATH names, else the system's]
    #[arg(long = "runtime-library", alias = "runtime_library", value_name = "FILE")]
    pub runtime_library: Option<PathBuf>,
    /// What ONNX Runtime computes on
    #[arg(
        long,
        alias = "device_target",
        value_name = "NAME",
        ignore_case = true,
        default_value = "cpu"
    )]
    pub provider: ProviderName,
}

/// Runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeName {
    /// rten
    Rten,
    /// ONNX Runtime
    Onnxruntime,
}

/// What ONNX Runtime computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProviderName {
    /// The processor
    Cpu,
    /// An NVIDIA GPU, by the GPU build of the library
    #[value(alias = "gpu")]
    Cuda,
}

impl RuntimeArgs {
    /// The runtime, its library loaded.
    pub fn open(&self) -> Result<Runtime, Failure> {
        let provider = match self.provider {
            ProviderName::Cpu => Provider::Cpu,
            ProviderName::Cuda => Provider::Cuda,
        };
        if self.runtime == RuntimeName::Onnxruntime {
            let library = OnnxRuntime::open(self.runtime_library.as_deref(), provider)?;
            return Ok(Runtime::OnnxRuntime(library));
        }
        match (&self.runtime_library, provider) {
            (None, Provider::Cpu) => Ok(Runtime::Rten),
            (Some(_), _) => Err(Failure::Usage(
                "--runtime-library is for --runtime onnxruntime, which was not asked for".into(),
            )),
            (None, Provider::Cuda) => Err(Failure::Usage(
                "--provider cuda needs --runtime onnxruntime: rten computes on the processor alone".into(),
            )),
        }
    }
}
