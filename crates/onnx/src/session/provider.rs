//! What ONNX Runtime computes on: one row a provider of it.

use ort::ep::{
    CUDA, CoreML, DirectML, ExecutionProvider, ExecutionProviderDispatch, MIGraphX, OpenVINO, ROCm, TensorRT,
};

/// What ONNX Runtime computes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An NVIDIA GPU by TensorRT, and by CUDA what TensorRT cannot do.
    TensorRt,
    /// An AMD GPU, by libraries before 1.23.
    Rocm,
    /// An AMD GPU by MIGraphX.
    MiGraphX,
    /// A GPU on Windows.
    DirectMl,
    /// Apple's GPU and neural engine.
    CoreMl,
    /// Intel's processors and GPUs by OpenVINO.
    OpenVino,
}

impl Provider {
    /// The runtime's name with it.
    pub fn runtime_name(self) -> &'static str {
        match self {
            Provider::Cpu => "onnxruntime",
            Provider::Cuda => "onnxruntime (cuda)",
            Provider::TensorRt => "onnxruntime (tensorrt)",
            Provider::Rocm => "onnxruntime (rocm)",
            Provider::MiGraphX => "onnxruntime (migraphx)",
            Provider::DirectMl => "onnxruntime (directml)",
            Provider::CoreMl => "onnxruntime (coreml)",
            Provider::OpenVino => "onnxruntime (openvino)",
        }
    }

    /// Its own name.
    pub fn label(self) -> &'static str {
        match self {
            Provider::Cpu => "its processor",
            Provider::Cuda => "CUDA",
            Provider::TensorRt => "TensorRT",
            Provider::Rocm => "ROCm",
            Provider::MiGraphX => "MIGraphX",
            Provider::DirectMl => "DirectML",
            Provider::CoreMl => "CoreML",
            Provider::OpenVino => "OpenVINO",
        }
    }

    /// Which build of the library has it.
    pub fn build(self) -> &'static str {
        match self {
            Provider::Cuda | Provider::TensorRt => "its GPU build",
            Provider::Cpu | Provider::Rocm | Provider::MiGraphX | Provider::OpenVino => "a build with it",
            Provider::DirectMl => "its build for Windows with DirectML",
            Provider::CoreMl => "its build for Apple's systems",
        }
    }

    /// Whether the library that is loaded was built with it.
    pub(super) fn is_there(self) -> ort::Result<bool> {
        match self {
            Provider::Cpu => Ok(true),
            Provider::Cuda => CUDA::is_available(),
            Provider::TensorRt => TensorRT::is_available(),
            Provider::Rocm => ROCm::is_available(),
            Provider::MiGraphX => MIGraphX::is_available(),
            Provider::DirectMl => DirectML::is_available(),
            Provider::CoreMl => CoreML::is_available(),
            Provider::OpenVino => OpenVINO::is_available(),
        }
    }

    /// What a session is told, the first that can do an operation does it.
    pub(super) fn dispatches(self) -> Vec<ExecutionProviderDispatch> {
        let all = match self {
            Provider::Cpu => Vec::new(),
            Provider::Cuda => vec![CUDA::default().build()],
            Provider::TensorRt => vec![TensorRT::default().build(), CUDA::default().build()],
            Provider::Rocm => vec![ROCm::default().build()],
            Provider::MiGraphX => vec![MIGraphX::default().build()],
            Provider::DirectMl => vec![DirectML::default().build()],
            Provider::CoreMl => vec![CoreML::default().build()],
            Provider::OpenVino => vec![OpenVINO::default().build()],
        };
        // Without this, where the provider does not start the processor computes, and nothing is said.
        let loud = all.into_iter().map(ExecutionProviderDispatch::error_on_failure);
        loud.collect()
    }
}
