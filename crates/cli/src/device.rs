//! The device that computes: what the setting `device` comes to on this machine, opened.

pub mod choose;

use mnasnet_engine::{Cpu, Device};
use mnasnet_gpu::{Adapter, adapters};
use mnasnet_group::{Group, agree, alike};
use mnasnet_settings::config::Target;

use crate::console::note;
use crate::device::choose::{Chosen, Local, Seen, choose};
use crate::failure::Failure;

/// What is there to choose from, of GPUs.
pub fn seen(adapters: &[Adapter]) -> Vec<Seen> {
    (adapters.iter())
        .map(|adapter| Seen {
            name: adapter.device_name(),
            kind: adapter.kind,
        })
        .collect()
}

/// What `target` comes to for a process that stands at `local` on this machine.
///
/// # Errors
/// A device that this machine lacks, or one that more ranks ask for than it has; a forced instruction set that it lacks.
pub fn open(target: &Target, local: Local) -> Result<Box<dyn Device>, Failure> {
    let cpu = || -> Result<Box<dyn Device>, Failure> { Ok(Box::new(Cpu::detect()?)) };
    let by_itself = *target == Target::Auto;
    // Drivers are asked only where they can be chosen: that takes time.
    if *target == Target::Cpu || by_itself && Cpu::is_forced() {
        return cpu();
    }
    let adapters = adapters();
    let Chosen::Gpu(number) = choose(target, &seen(&adapters), local).map_err(Failure::Usage)? else {
        return cpu();
    };
    let adapter = &adapters[number];
    match adapter.open() {
        Ok(gpu) => Ok(Box::new(gpu)),
        // A GPU that nobody asked for is in nobody's way.
        Err(error) if by_itself => {
            note(&format!(
                "the processor computes: {} cannot be used: {error}",
                adapter.device_name()
            ));
            cpu()
        }
        Err(error) => Err(error.into()),
    }
}

/// What `target` comes to on each rank: devices of one name, so that all compute alike.
///
/// # Errors
/// As [`open`], on any rank; ranks with other devices.
pub fn open_alike(target: &Target, group: &mut Group) -> Result<Box<dyn Device>, Failure> {
    let opened = open(target, Local::of(group));
    alike_on(opened, group)
}

/// `opened`, if all ranks have devices of one name.
///
/// # Errors
/// As [`open_alike`].
pub fn alike_on(opened: Result<Box<dyn Device>, Failure>, group: &mut Group) -> Result<Box<dyn Device>, Failure> {
    let device = agree(group, opened)?;
    if group.size() > 1 {
        let name = device.name();
        let is_cpu = Cpu::is_called(&name);
        let kind = if is_cpu { "the processor" } else { "a GPU" };
        let advice = "say `--device cpu`, or start ranks only where there are GPUs";
        alike(group, "the devices", kind, advice)?;
        match is_cpu {
            true => {
                let advice = format!("set {} to one that all have", Cpu::VARIABLE);
                alike(group, "the instruction sets", &name, &advice)?;
            }
            false => {
                let advice = "say `--device NAME` with one that all have";
                alike(group, "the GPUs", &name, advice)?;
            }
        }
    }
    Ok(device)
}

/// Opens devices, and keeps the last one: settings are settled before a run is planned.
pub struct Opener {
    local: Local,
    /// What MindSpore's flags ask for, where they do.
    pub mindspores: Option<Target>,
    last: Option<(Target, Box<dyn Device>)>,
}

impl Opener {
    /// Opens devices for a rank of `group`.
    pub fn new(group: &Group, mindspores: Option<Target>) -> Self {
        Self {
            local: Local::of(group),
            mindspores,
            last: None,
        }
    }

    /// What `target` comes to.
    ///
    /// # Errors
    /// As [`open`].
    pub fn get(&mut self, target: &Target) -> Result<&dyn Device, Failure> {
        let device = self.take(target)?;
        Ok(&*self.last.insert((target.clone(), device)).1)
    }

    /// The same, to be kept.
    ///
    /// # Errors
    /// As [`open`].
    pub fn take(&mut self, target: &Target) -> Result<Box<dyn Device>, Failure> {
        // Memory of one device is given back before another one is opened.
        match self.last.take().filter(|(last, _)| last == target) {
            Some((_, device)) => Ok(device),
            None => open(target, self.local),
        }
    }
}
