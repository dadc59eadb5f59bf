//! The model a job computes with, and on how many threads.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use c3_nn::{Checkpoint, LoadOptions};

use crate::hub::HubSettings;
use crate::machine;
use crate::memory::{self, Fit, Job, Limit};
use crate::model::ModelName;

/// Model, device, dtype, threads and memory of a job.
#[derive(Clone)]
pub struct Compute {
    pub model: ModelName,
    pub options: LoadOptions,
    /// Whether the user chose the dtype.
    pub dtype_chosen: bool,
    pub threads: Option<NonZeroUsize>,
    /// Bytes of memory that it may take.
    pub max_memory: Option<u64>,
}

impl Compute {
    pub fn checkpoint(&self, hub: &HubSettings) -> anyhow::Result<Checkpoint> {
        self.model.open(hub)
    }

    /// How many threads compute.
    pub fn thread_count(&self) -> usize {
        self.threads.map_or_else(rayon::current_num_threads, NonZeroUsize::get)
    }

    /// Makes `job` fit into the memory asked for, or else makes sure that the machine holds it.
    pub fn fit(&self, job: &Job<'_>) -> anyhow::Result<Fit> {
        if !self.options.device.is_cpu() {
            // What is predicted is the CPU's memory; a device says itself when its own is full.
            let asked = self.max_memory.is_none();
            anyhow::ensure!(asked, "--max-memory is for the CPU: on a device choose --batch");
            return memory::fit(job, &self.options, self.dtype_chosen, None);
        }
        let limit = match self.max_memory {
            Some(bytes) => Some(Limit::Asked(bytes)),
            None => machine::memory().map(Limit::Machine),
        };
        memory::fit(job, &self.options, self.dtype_chosen, limit)
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
