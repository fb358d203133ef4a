//! What GPUs there are.

use crate::gpu::Gpu;
use crate::tiles::Tile;
use mnasnet_engine::EngineError;

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A card of its own.
    Discrete,
    /// Part of the processor's chip.
    Integrated,
    /// A part of a card, lent to a virtual machine.
    Virtual,
    /// A driver that does not tell.
    Other,
    /// The processor itself, which computes slower so than by its own kernels.
    Software,
}

impl Kind {
    /// The name in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
        }
    }
}

/// A GPU that a driver of this machine offers.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The driver's name of it: `NVIDIA H200`.
    pub name: String,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// What it is.
    pub kind: Kind,
    /// Driver and version.
    pub driver: String,
    /// PCI address, `0000:01:00.0`, where the driver tells.
    pub pci: Option<String>,
    /// Bytes of its own memory, where the driver tells.
    pub memory: Option<u64>,
    /// What it has beyond the least: `f16`, `tiles`.
    pub features: Vec<&'static str>,
    /// The tiles that its matrix unit multiplies, where the kernels know them.
    pub tile: Option<Tile>,
    pub(crate) adapter: wgpu::Adapter,
}

impl Adapter {
    /// Whether the processor stands behind it.
    pub fn is_software(&self) -> bool {
        self.kind == Kind::Software
    }

    /// The name that logs and checkpoints record: `vulkan NVIDIA H200`.
    pub fn device_name(&self) -> String {
        format!("{} {}", self.backend, self.name)
    }

    /// Opens it.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn open(&self) -> Result<Gpu, EngineError> {
        Gpu::open(self, self.tile)
    }

    /// Opens it with other tiles than its own, or with none: for tests of what another device would do.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn open_with(&self, tile: Option<Tile>) -> Result<Gpu, EngineError> {
        Gpu::open(self, tile)
    }
}

/// What tiles need.
pub(crate) const TILES: wgpu::Features = wgpu::Features::SHADER_F16
    .union(wgpu::Features::SUBGROUP)
    .union(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);

/// The largest tiles with float16 factors and float32 sums that the kernels know. wgpu has tiles on Metal too, but from memory of single
/// numbers alone, which is not what the kernels bring.
fn tile(adapter: &wgpu::Adapter) -> Option<Tile> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let info = adapter.get_info();
    if !adapter.features().contains(TILES) || info.backend != wgpu::Backend::Vulkan {
        return None;
    }
    let subgroup = [info.subgroup_min_size, info.subgroup_max_size].map(|lanes| lanes as usize);
    let shapes = adapter.cooperative_matrix_properties().into_iter();
    let sides = shapes.filter(|shape| {
        let is_square = shape.m_size == shape.n_size && shape.n_size == shape.k_size;
        is_square && (shape.ab_type, shape.cr_type) == (F16, F32)
    });
    let tiles = sides.filter_map(|shape| Tile::new(shape.m_size as usize, subgroup));
    tiles.max_by_key(|tile| tile.side())
}

/// Tells Mesa's device-choosing layer to stay away: without a desktop it complains on stderr of every program that looks for GPUs, and it
/// reorders them. Whoever has set the variable keeps it.
///
/// # Safety
/// No other thread may run yet, as it might read the environment.
#[allow(unsafe_code)]
pub unsafe fn hush_drivers() {
    const VARIABLE: &str = "NODEVICE_SELECT";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: the caller promises that this thread is alone.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// All adapters, real ones first: discrete, integrated, virtual, others, software. In each kind by PCI address, then as the drivers list
/// them. Empty where there is no driver.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // No debugging layers: they would be looked for, and drivers would speak on stderr.
    descriptor.flags = wgpu::InstanceFlags::empty();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<Adapter> = found.into_iter().filter(is_enough).map(describe).collect();
    adapters.sort_by(|a, b| (a.kind, &a.pci).cmp(&(b.kind, &b.pci)));
    adapters
}

/// Whether the kernels run on it: WebGPU's least limits, which all desktop drivers have.
fn is_enough(adapter: &wgpu::Adapter) -> bool {
    let (limits, least) = (adapter.limits(), wgpu::Limits::default());
    limits.max_storage_buffers_per_shader_stage >= least.max_storage_buffers_per_shader_stage
        && limits.max_compute_invocations_per_workgroup >= least.max_compute_invocations_per_workgroup
        && limits.max_compute_workgroups_per_dimension >= least.max_compute_workgroups_per_dimension
}

fn describe(adapter: wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let features = adapter.features();
    let has = |feature, name| features.contains(feature).then_some(name);
    let tile = tile(&adapter);
    Adapter {
        name: info.name,
        backend: format!("{:?}", info.backend).to_lowercase(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
            wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
            wgpu::DeviceType::VirtualGpu => Kind::Virtual,
            wgpu::DeviceType::Cpu => Kind::Software,
            wgpu::DeviceType::Other => Kind::Other,
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        pci: Some(info.device_pci_bus_id).filter(|address| !address.is_empty()),
        memory: memory(&adapter),
        features: [has(wgpu::Features::SHADER_F16, "f16"), tile.map(|_| "tiles")]
            .into_iter()
            .flatten()
            .collect(),
        tile,
        adapter,
    }
}

/// Bytes of the largest heap of the device's own memory.
#[allow(unsafe_code)]
fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: the handle is only asked for a property, while the adapter lives.
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = vulkan.shared_instance().raw_instance();
    // SAFETY: the physical device is the adapter's own, of this instance.
    let properties = unsafe { instance.get_physical_device_memory_properties(vulkan.raw_physical_device()) };
    let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
    // Bit 0: DEVICE_LOCAL.
    let local = heaps.iter().filter(|heap| heap.flags.as_raw() & 1 != 0);
    local.map(|heap| heap.size).max()
}
