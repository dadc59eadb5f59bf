//! The model a job computes with, and on how many threads.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use c3_nn::{Checkpoint, LoadOptions};

use crate::hub::HubSettings;
use crate::model::ModelName;

/// Model, device, dtype and threads of a job.
pub struct Compute {
    pub model: ModelName,
    pub options: LoadOptions,
    pub threads: Option<NonZeroUsize>,
}

impl Compute {
    pub fn checkpoint(&self, hub: &HubSettings) -> anyhow::Result<Checkpoint> {
        self.model.open(hub)
    }

    /// Runs `work` in a pool of the threads asked for, or else in the shared one.
    pub fn install<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let Some(threads) = self.threads else { return work() };
        // The main thread's stack size: work that fits there fits here.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).stack_size(8 << 20);
        pool.build().context("can't start the threads")?.install(work)
    }
}
