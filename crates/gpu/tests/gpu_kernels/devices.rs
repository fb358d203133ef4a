//! The GPUs that the tests run on: all that this machine has, those of software only where they are asked for.

use mnasnet_engine::Device;
use mnasnet_gpu::{Gpu, Tile};
use std::io::Write;
use std::sync::LazyLock;

/// The environment variable that picks devices, by a part of their names: `vulkan`.
const ONLY: &str = "MNASNET_TEST_DEVICES";

/// A GPU as it is, and those with a matrix unit as others would be.
struct Opened {
    own: Gpu,
    others: Vec<Gpu>,
}

/// Opened once, so that the tests share the pipelines.
static GPUS: LazyLock<Vec<Opened>> = LazyLock::new(|| {
    let wanted = std::env::var(ONLY).unwrap_or_default();
    let adapters = mnasnet_gpu::adapters().into_iter();
    // Software devices take minutes to compile all kernels, and most desktops have one.
    let adapters = adapters
        .filter(|adapter| adapter.device_name().contains(&wanted))
        .filter(|adapter| !wanted.is_empty() || !adapter.is_software());
    let opened = adapters.map(|adapter| {
        let mut others = Vec::new();
        if let Some(tile) = adapter.tile {
            others.push(None);
            // Where the driver could take subgroups of half the size, and does not.
            let [least, most] = tile.subgroup();
            others.extend(Tile::new(tile.side(), [least / 2, most]).map(Some));
        }
        let others = others.into_iter().map(|tile| adapter.open_with(tile).unwrap());
        Opened {
            own: adapter.open().unwrap(),
            others: others.collect(),
        }
    });
    opened.collect()
});

/// Runs `check` on every GPU, and on those with a matrix unit once more without it, and as if subgroups were of several sizes: for
/// bfloat16, which the unit is for.
pub fn with_tiles_and_without(check: impl Fn(&Gpu)) {
    on_every_gpu(&check);
    for gpu in GPUS.iter().flat_map(|opened| &opened.others) {
        println!("on {} as if it had {:?}", gpu.name(), gpu.tile());
        check(gpu);
    }
}

/// Runs `check` on every GPU. Without one the check is left out, which is said; where devices were asked for, that is a failure.
pub fn on_every_gpu(check: impl Fn(&Gpu)) {
    if GPUS.is_empty() {
        assert!(
            std::env::var_os(ONLY).is_none(),
            "{ONLY} asks for devices, and no GPU has such a name"
        );
        // Past the test harness, which keeps what a test prints that passes.
        let said = "this machine has no GPU, and none of software is asked for (MNASNET_TEST_DEVICES): nothing is held against the reference";
        let said = format!("\n!!! LEFT OUT: {said}\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    for gpu in GPUS.iter().map(|opened| &opened.own) {
        println!("on {}, {:?}", gpu.name(), gpu.tile());
        check(gpu);
    }
}
