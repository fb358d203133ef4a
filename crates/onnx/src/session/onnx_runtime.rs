//! ONNX Runtime, loaded as a library when it is asked for.

use std::env;
use std::error::Error;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::value::{PrimitiveTensorElementType, TensorRef};

use crate::error::LoadError;
use crate::read::Model;
use crate::session::provider::Provider;

/// The library, loaded. A process loads it once.
#[derive(Clone)]
pub struct OnnxRuntime {
    environment: Environment,
    provider: Provider,
}

impl OnnxRuntime {
    /// The environment variable that names the library, as other programs that load ONNX Runtime read it.
    pub const VARIABLE: &str = "ORT_DYLIB_PATH";

    /// Loads `library`, or the one that `ORT_DYLIB_PATH` names, or the system's. What the library does from then on is its own:
    /// it is code.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn open(library: Option<&Path>, provider: Provider) -> Result<Self, LoadError> {
        let named = library.map(Path::to_owned).or_else(|| {
            let variable = env::var_os(Self::VARIABLE).filter(|value| !value.is_empty());
            variable.map(PathBuf::from)
        });
        // A path is one as the user sees it; a name alone is the system's to find.
        let library = match named {
            Some(path) => std::path::absolute(&path).unwrap_or(path),
            None => format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX).into(),
        };
        let refused = |reason: String| LoadError::Library {
            library: library.clone(),
            reason,
        };
        let builder = ort::init_from(&library).map_err(|error| {
            refused(match error {
                // What the system says lies below "dlopen failed", and begins with the name.
                LoadDynamicError::Dlopen { error, .. } => {
                    let told = error.source().map_or(error.to_string(), ToString::to_string);
                    told.trim_start_matches(&format!("{}: ", library.display())).to_owned()
                }
                LoadDynamicError::MissingApi { .. } => "it is another library".into(),
                LoadDynamicError::InvalidVersionString => "its version is no text".into(),
                LoadDynamicError::BadVersion { version_str, .. } => {
                    format!(
                        "it is version {version_str}, and 1.{} or newer is needed",
                        ort::MINOR_VERSION
                    )
                }
            })
        })?;
        let environment = builder
            .with_telemetry(false)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        environment.set_log_level(LogLevel::Error);
        match provider.is_there().map_err(|error| refused(error.to_string()))? {
            true => Ok(Self { environment, provider }),
            false => Err(LoadError::Provider {
                library,
                provider: provider.label(),
                build: provider.build(),
            }),
        }
    }

    /// What it computes on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Loads a model, to run on `threads` threads of the processor.
    ///
    /// On processors without VNNI ONNX Runtime adds products of bytes in pairs of 16 bits, which saturate, unless it is asked not to.
    pub(super) fn load(&self, model: &Model, threads: usize) -> Result<Loaded, String> {
        let session = self.session(model, threads, EXACT).map_err(|error| match self.session(model, threads, ROUGH) {
            Ok(_) => "ONNX Runtime adds products of bytes in 16 bits on this processor, where they overflow, and cannot run the model \
                      otherwise; run it on a processor with VNNI, or quantise it as Q/DQ"
                .into(),
            Err(_) => error,
        })?;
        Ok(Loaded {
            session,
            input: model.input.clone(),
            output: model.output.clone(),
        })
    }

    fn session(&self, model: &Model, threads: usize, bytes: &str) -> Result<ort::session::Session, String> {
        let told = |error: ort::Error| error.to_string();
        let builder = ort::session::Session::builder(&self.environment).map_err(told)?;
        let builder = builder.with_intra_threads(threads).map_err(|error| error.to_string())?;
        let builder = builder.with_config_entry("session.x64quantprecision", bytes);
        let builder = builder.map_err(|error| error.to_string())?;
        // DirectML's sizes may differ from call to call.
        let builder = match self.provider {
            Provider::DirectMl => builder.with_memory_pattern(false).map_err(|error| error.to_string())?,
            _ => builder,
        };
        let providers = self.provider.dispatches();
        let mut builder = match providers.is_empty() {
            true => builder,
            false => (builder.with_execution_providers(providers)).map_err(|error| error.to_string())?,
        };
        builder.commit_from_memory(&model.bytes).map_err(told)
    }
}

/// How ONNX Runtime adds products of bytes (`session.x64quantprecision`): in 32 bits, or as is fastest.
const EXACT: &str = "1";
const ROUGH: &str = "0";

/// A model, ready to run.
pub struct Loaded {
    session: ort::session::Session,
    input: String,
    output: String,
}

impl Loaded {
    /// Appends the output's values to `logits`; the output's sides.
    pub fn call<T: PrimitiveTensorElementType + Clone + Debug + 'static>(
        &mut self,
        values: &[T],
        sides: [usize; 4],
        logits: &mut Vec<f32>,
    ) -> Result<Vec<usize>, String> {
        let told = |error: ort::Error| error.to_string();
        let input = TensorRef::from_array_view((sides, values)).map_err(told)?;
        let outputs = self
            .session
            .run(ort::inputs![self.input.as_str() => input])
            .map_err(told)?;
        let output = outputs.get(&self.output).ok_or("it has no such output")?;
        let (sides, values) = output.try_extract_tensor::<f32>().map_err(told)?;
        logits.extend_from_slice(values);
        sides
            .iter()
            .map(|&side| usize::try_from(side).map_err(|_| format!("its output has the side {side}")))
            .collect()
    }
}
