//! The kernels that a network asks for, without a device: what tests validate and drivers are shown.

use crate::layout::Layout;
use crate::shader::{Kernel, Op};
use crate::sweep::{self, Statistics};
use crate::tiles::Tile;
use mnasnet_engine::plan::Plan;
use mnasnet_engine::{EngineError, Precision};
use mnasnet_model::Network;

/// All kernels of a device that multiplies such tiles, or none: of training, with statistics of one process or of all, and of inference: each once, in the order in which they first run.
///
/// # Errors
/// A network that no plan can be made for, or that GPUs have no kernels for.
pub fn kernels(
    network: &Network,
    resolution: usize,
    precision: Precision,
    tile: Option<Tile>,
) -> Result<Vec<Kernel>, EngineError> {
    let mut jobs = Vec::new();
    // Few strips of a weight's gradient, and many.
    for batch in [1, 64] {
        let plan = Plan::new(network, batch, resolution, precision)?;
        let layout = Layout::new(network, &plan, usize::MAX, tile)?;
        jobs.extend(sweep::pack(&layout));
        jobs.extend(sweep::use_running(&layout));
        for statistics in [
            Statistics::Batch,
            Statistics::AllBatches,
            Statistics::Running,
            Statistics::Measure,
        ] {
            jobs.extend(sweep::forward(&layout, statistics));
        }
        jobs.push(sweep::loss(&layout));
        jobs.extend(sweep::backward(&layout, false));
        jobs.extend(sweep::backward(&layout, true));
    }
    // Those of the flat vectors, which no sweep holds.
    let flat = [Op::Check, Op::Scale, Op::Update, Op::Blend].map(|op| Kernel::new(op, Precision::F32));
    let mut kernels = Vec::new();
    for kernel in jobs.into_iter().map(|job| job.kernel).chain(flat) {
        if !kernels.contains(&kernel) {
            kernels.push(kernel);
        }
    }
    Ok(kernels)
}
