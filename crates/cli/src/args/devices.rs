//! Flags of MindSpore's scripts that choose devices: taken where they ask for what is done anyway, answered where not. They are not
//! in `--help`.

use mnasnet_group::Group;

use crate::console::note;
use crate::failure::Failure;

/// The flags.
#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
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

impl DeviceArgs {
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
