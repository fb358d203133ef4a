//! Arguments that choose what computes an ONNX model.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use mnasnet_onnx::{OnnxRuntime, Provider, Runtime};

use crate::failure::Failure;

/// What computes an ONNX model.
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    /// What computes ONNX models: auto is this program's own engine for INT8 models of usual arithmetic, on processors that
    /// multiply bytes fast, and rten, which is part of this program, for others; onnxruntime is a library that is loaded
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub runtime: RuntimeName,
    /// ONNX Runtime's library, 1.17 or newer [default: the one that ORT_DYLIB_PATH names, else the system's]
    #[arg(long = "runtime-library", value_name = "FILE")]
    pub runtime_library: Option<PathBuf>,
    /// What ONNX Runtime computes on, by a build of the library that has it
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
    /// The engine where it can, else rten
    Auto,
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
    /// An NVIDIA GPU by TensorRT, and by CUDA what TensorRT cannot do
    Tensorrt,
    /// An AMD GPU, by libraries before 1.23
    Rocm,
    /// An AMD GPU by MIGraphX
    Migraphx,
    /// A GPU on Windows
    #[value(alias = "dml")]
    Directml,
    /// Apple's GPU and neural engine
    Coreml,
    /// Intel's processors and GPUs
    Openvino,
}

impl From<ProviderName> for Provider {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Cpu => Self::Cpu,
            ProviderName::Cuda => Self::Cuda,
            ProviderName::Tensorrt => Self::TensorRt,
            ProviderName::Rocm => Self::Rocm,
            ProviderName::Migraphx => Self::MiGraphX,
            ProviderName::Directml => Self::DirectMl,
            ProviderName::Coreml => Self::CoreMl,
            ProviderName::Openvino => Self::OpenVino,
        }
    }
}

impl RuntimeArgs {
    /// The runtime, its library loaded; `None` where the model decides.
    pub fn open(&self) -> Result<Option<Runtime>, Failure> {
        let provider = Provider::from(self.provider);
        if self.runtime == RuntimeName::Onnxruntime {
            let library = OnnxRuntime::open(self.runtime_library.as_deref(), provider)?;
            return Ok(Some(Runtime::OnnxRuntime(library)));
        }
        match (&self.runtime_library, provider) {
            (None, Provider::Cpu) => Ok((self.runtime == RuntimeName::Rten).then_some(Runtime::Rten)),
            (Some(_), _) => Err(Failure::Usage(
                "--runtime-library is for --runtime onnxruntime, which was not asked for".into(),
            )),
            (None, _) => {
                let name = self.provider.to_possible_value();
                Err(Failure::Usage(format!(
                    "--provider {} needs --runtime onnxruntime: rten computes on the processor alone",
                    name.as_ref().map_or("", PossibleValue::get_name)
                )))
            }
        }
    }
}
