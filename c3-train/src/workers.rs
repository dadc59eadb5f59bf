//! Parts of a step side by side.

use std::panic::resume_unwind;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

/// Workers that share the weights; each has threads of its own. Much of a step is memory traffic that
/// one thread does, so two workers with one thread each are faster than one with two.
pub(crate) struct Workers(Vec<ThreadPool>);

impl Workers {
    /// `count` workers, which share the threads of the caller's pool: one for each where `count` is 0.
    pub fn new(count: usize) -> Result<Self> {
        let threads = rayon::current_num_threads();
        let count = if count == 0 { threads } else { count };
        let pool = || ThreadPoolBuilder::new().num_threads((threads / count).max(1)).build();
        let pools = (0..count).map(|_| pool()).collect::<Result<_, _>>();
        Ok(Self(pools.map_err(|error| Error::Threads(error.to_string()))?))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Does `work` on every part, and gives the results to `take` in the order of the parts.
    pub fn each<P: Sync, R: Send>(
        &self,
        parts: &[P],
        work: impl Fn(&P) -> Result<R> + Sync,
        mut take: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        // Results are large, so no more of them are kept than there are workers.
        for round in parts.chunks(self.count()) {
            let work = &work;
            let results: Vec<Result<R>> = thread::scope(|scope| {
                let start =
                    |(part, pool)| scope.spawn(move || ThreadPool::install(pool, || work(part)));
                let running: Vec<_> = round.iter().zip(&self.0).map(start).collect();
                running.into_iter().map(|r| r.join().unwrap_or_else(|e| resume_unwind(e))).collect()
            });
            results.into_iter().try_for_each(|result| take(result?))?;
        }
        Ok(())
    }
}
