//! What computes: `--device`, and the flags of MindSpore's scripts that choose devices.

use mnasnet_engine::Device;
use mnasnet_group::Group;
use mnasnet_settings::config::Target;
use mnasnet_settings::wiring;

use crate::console::note;
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
        Ok(wiring::device(self.device)?)
    }
}

/// MindSpore's flags: taken where they ask for what can be done, answered where not. They are not in `--help`.
#[derive(Debug, clap::Args)]
pub struct MindsporeDeviceArgs {
    #[arg(long = "device_target", alias = "device-target", value_name = "NAME", hide = true)]
    target: Option<String>,
    #[arg(long = "device_id", alias = "device-id", value_name = "N", hide = true)]
    id: Option<u64>,
    #[arg(
        long = "run_distribute",
        alias = "run-distribute",
        value_name = "True|False",
        hide = true
    )]
    distribute: Option<String>,
}

impl MindsporeDeviceArgs {
    /// The setting `device` that the flags ask for, where they ask for one. [`MindsporeDeviceArgs::check`] has refused all others.
    pub fn device(&self) -> Option<Target> {
        self.target.is_some().then_some(Target::Cpu)
    }

    /// The device that the flags ask for, or else `device`.
    pub fn open(&self, device: &DeviceArgs) -> Result<Box<dyn Device>, Failure> {
        Ok(wiring::device(self.device().unwrap_or(device.device))?)
    }

    /// Whether what they ask for is what these processes do.
    pub fn check(&self, group: &Group) -> Result<(), Failure> {
        let refused = |reason: String| Err(Failure::Usage(reason));
        if let Some(name) = self.target.as_deref().filter(|name| !name.eq_ignore_ascii_case("cpu")) {
            return refused(format!(
                "--device_target {name}: training and evaluation compute on the processor; leave it out, or say CPU"
            ));
        }
        match self.distribute.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => {}
            Some("true" | "1") if group.size() > 1 => {}
            Some("true" | "1") => {
                return refused(
                    "--run_distribute True with one process; start several by `mpirun -n 8 mnasnet …`, and leave it out".into(),
                );
            }
            Some(other) => return refused(format!("--run_distribute is {other}; say True or False")),
        }
        if let Some(id) = self.id {
            note(&format!(
                "--device_id {id} changes nothing: all ranks compute on processors"
            ));
        }
        Ok(())
    }
}
