//! A model that fits into memory, with as many shards as do.

use c3_eval::{Batches, Model};

use super::Context;
use crate::compute::Compute;
use crate::{human, machine, memory};

/// Refuses what only commands with `--batch` can keep.
pub(super) fn check(compute: &Compute) -> anyhow::Result<()> {
    let kept = compute.max_memory.is_none() || compute.options.device.is_cpu();
    anyhow::ensure!(kept, "--max-memory is for the CPU");
    Ok(())
}

/// Loads the model where it fits into memory, with batches that do. `batch` is that of the command; where
/// it leaves the choice, the second result is how many batches side by side there is room for.
///
/// Under `--max-memory` the exactest weights come first, then batches, then shards.
pub(in crate::commands) fn load(
    compute: &Compute,
    context: &Context,
    batch: Option<usize>,
) -> anyhow::Result<(Model, usize)> {
    let checkpoint = compute.checkpoint(&context.hub)?;
    let (encode, decode) = Default::default();
    let mut encoding = memory::Encoding::new(&checkpoint, &encode, None)?;
    encoding.batch = batch;
    let mut decoding = memory::Decoding::of_encoding(&checkpoint, &decode, &encoding)?;
    decoding.batch = batch;
    let job = memory::Job {
        checkpoint: &checkpoint,
        threads: compute.thread_count(),
        decoding: Some(decoding),
        encoding: Some(encoding),
        verifies: false,
        held_text: 0,
    };
    let fit = compute.fit(&job)?;
    memory::tell(&context.ui, &fit);
    let batches = match batch {
        Some(_) => Batches::default(),
        None => Batches { encode: fit.batch(fit.rows.encode), decode: fit.batch(fit.rows.decode) },
    };
    let room = match compute.options.device.is_cpu() {
        true => compute.max_memory.or_else(machine::memory),
        false => None,
    };
    let shards = room.map_or(usize::MAX, |bytes| fits(&fit.estimate, bytes));
    let name = compute.model.name(&checkpoint);
    Ok((Model::load(&checkpoint, name, &fit.options)?.with_batches(batches), shards))
}

/// How many batches side by side there is room for in so many bytes: one, and each other with buffers of
/// its own.
fn fits(estimate: &memory::Estimate, bytes: u64) -> usize {
    let left = bytes.saturating_sub(estimate.peak_bytes);
    let more = left.checked_div(estimate.batch_bytes).unwrap_or(u64::MAX);
    usize::try_from(more).unwrap_or(usize::MAX).saturating_add(1)
}

/// The shards that are asked for, or else as many as are of use and fit.
pub(super) fn shards(
    asked: Option<usize>,
    of_use: usize,
    fitting: usize,
    compute: &Compute,
) -> anyhow::Result<usize> {
    match asked {
        Some(asked) if asked > fitting && compute.max_memory.is_some() => {
            let limit = human::bytes(compute.max_memory.unwrap_or_default());
            anyhow::bail!("--max-memory is {limit}: there is room for {fitting} of {asked} shards")
        }
        Some(asked) => Ok(asked),
        None => Ok(of_use.min(fitting)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_a_batch_of_its_own() {
        let estimate = memory::Estimate {
            peak_bytes: 100,
            program_bytes: 40,
            weight_bytes: 30,
            batch_bytes: 30,
            text_bytes: 0,
        };
        assert_eq!([99, 100, 129, 130, 190].map(|bytes| fits(&estimate, bytes)), [1, 1, 1, 2, 4]);
    }
}
