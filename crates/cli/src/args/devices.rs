//! What computes: `--device`, and the flags of MindSpore's scripts that choose devices.

use std::path::Path;

use mnasnet_engine::Device;
use mnasnet_group::Group;
use mnasnet_onnx::is_onnx;
use mnasnet_settings::config::Target;

use crate::console::note;
use crate::device;
use crate::device::choose::Local;
use crate::failure::Failure;
use crate::settings::{self, Valued};

/// `--device`.
#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
    /// What computes.
    #[arg(long, value_name = "NAME", default_value = settings::default("device"), help = settings::help("device"))]
    #[arg(value_parser = Valued::<Target>::by("device"), hide_possible_values = true)]
    pub device: Target,
}

impl DeviceArgs {
    /// The device.
    pub fn open(&self) -> Result<Box<dyn Device>, Failure> {
        device::open(&self.device, Local::ALONE)
    }

    /// The device for these models. ONNX models are another runtime's: no GPU is opened for them alone.
    pub fn open_for(&self, models: &[&Path]) -> Result<Box<dyn Device>, Failure> {
        device::open(&for_models(&self.device, models)?, Local::ALONE)
    }
}

/// What `target` is for these models.
fn for_models(target: &Target, models: &[&Path]) -> Result<Target, Failure> {
    match models.iter().all(|model| is_onnx(model)) {
        false => Ok(target.clone()),
        true if !target.is_gpu() => Ok(Target::Cpu),
        true => Err(Failure::Usage(format!(
            "--device {target} is for weights, and {} is an ONNX model, which a runtime computes: `--runtime onnxruntime --provider \
             cuda` (or another provider) takes a GPU",
            models[0].display()
        ))),
    }
}

/// MindSpore's flags: taken where they ask for what can be done, answered where not. They are not in `--help`.
#[derive(Debug, clap::Args)]
pub struct MindsporeDeviceArgs {
    #[arg(long = "device_target", value_name = "NAME", hide = true)]
    target: Option<String>,
    #[arg(long = "device_id", value_name = "N", hide = true)]
    id: Option<usize>,
    #[arg(long = "run_distribute", value_name = "True|False", hide = true)]
    distribute: Option<String>,
}

impl MindsporeDeviceArgs {
    /// The device that the flags ask for, or else `device`, for this model: of one name on all ranks.
    pub fn open_for(&self, device: &DeviceArgs, model: &Path, group: &mut Group) -> Result<Box<dyn Device>, Failure> {
        let asked = self.asked(group).and_then(|asked| {
            let target = asked.as_ref().unwrap_or(&device.device);
            device::open(&for_models(target, &[model])?, Local::of(group))
        });
        device::alike_on(asked, group)
    }

    /// The setting `device` that the flags ask for, where they ask for one that these processes have.
    ///
    /// # Errors
    /// What they ask for is not what these processes do.
    pub fn asked(&self, group: &Group) -> Result<Option<Target>, Failure> {
        self.check_distribute(group)?;
        let target = match self.target.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("cpu") => Some(Target::Cpu),
            Some("gpu") => Some(match self.id {
                // Several ranks have a GPU each, as MindSpore's have.
                Some(id) if group.size() == 1 => real(id)?,
                _ => Target::Gpu,
            }),
            Some(_) => {
                return Err(Failure::Usage(format!(
                    "--device_target {}: say GPU or CPU, or leave it out",
                    self.target.as_deref().unwrap_or_default()
                )));
            }
        };
        let why = match &target {
            None => "without --device_target GPU",
            Some(Target::Cpu) => "on processors",
            Some(_) if group.size() > 1 => "for several ranks: each has a GPU of its own",
            Some(_) => return Ok(target),
        };
        if let Some(id) = self.id {
            note(&format!("--device_id {id} changes nothing {why}"));
        }
        Ok(target)
    }

    fn check_distribute(&self, group: &Group) -> Result<(), Failure> {
        let refused = |reason: String| Err(Failure::Usage(reason));
        match self.distribute.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(()),
            Some("true" | "1") if group.size() > 1 => Ok(()),
            Some("true" | "1") => refused(
                "--run_distribute True with one process; start several by `mpirun -n 8 mnasnet …`, and leave it out"
                    .into(),
            ),
            Some(other) => refused(format!("--run_distribute is {other}; say True or False")),
        }
    }
}

/// The GPU of this number, which no software is: MindSpore numbers cards.
fn real(id: usize) -> Result<Target, Failure> {
    let adapters = mnasnet_gpu::adapters();
    match adapters.get(id).is_some_and(|adapter| !adapter.is_software()) {
        true => Ok(Target::Numbered(vec![id])),
        false => {
            let real = adapters.iter().filter(|adapter| !adapter.is_software()).count();
            let has = match real {
                0 => "no GPU that a driver shows".to_owned(),
                1 => "one GPU, number 0".to_owned(),
                real => format!("{real} GPUs, numbered from 0"),
            };
            Err(Failure::Usage(format!(
                "--device_id {id}: this machine has {has}; `mnasnet devices` lists what there is"
            )))
        }
    }
}
