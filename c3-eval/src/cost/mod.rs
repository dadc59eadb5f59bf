//! What it costs: time of each stage, positions and bytes.

mod repeated;
mod stage;
mod workload;

use serde::{Deserialize, Serialize};

use crate::results::CostRecord;
use crate::{Error, Model, Ratio, Result};
pub use repeated::{Repeated, Timing};
pub use stage::Stage;
pub use workload::Workload;

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Tokens of each segment.
    pub tokens: usize,
    /// Segments side by side.
    pub batch: usize,
    /// How far they are compressed.
    pub ratio: Ratio,
}

/// Times stages of a load, each so many times after one time that doesn't count.
///
/// # Errors
/// As [`Workload::new`] and [`Workload::time`]; [`Error::Cancelled`] where `go_on` says so.
pub fn measure(
    model: &Model,
    load: Load,
    stages: &[Stage],
    repetitions: usize,
    warm_up: bool,
    go_on: &dyn Fn() -> bool,
) -> Result<CostRecord> {
    let workload = Workload::new(model, load)?;
    let mut timed = Vec::with_capacity(stages.len());
    for &stage in stages {
        let mut timings = Vec::with_capacity(repetitions);
        for number in 0..repetitions + usize::from(warm_up) {
            if !go_on() {
                return Err(Error::Cancelled);
            }
            let timing = workload.time(stage)?;
            if number > 0 || !warm_up {
                timings.push(timing);
            }
        }
        timed.push((stage, Repeated::of(&timings)));
    }
    Ok(CostRecord {
        load,
        threads: rayon::current_num_threads(),
        peak_bytes: None,
        stages: timed,
        positions: workload.positions(),
        cache_bytes: workload.cache_bytes(workload.positions()),
        text_cache_bytes: workload.cache_bytes(load.tokens * load.batch),
        text_bytes: workload.text_bytes(),
        stored_bytes: workload.stored_bytes()?,
    })
}
