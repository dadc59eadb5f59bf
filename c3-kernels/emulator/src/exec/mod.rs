//! Running a kernel: blocks in parallel, the warps of a block in turns.

mod access;
mod atomic;
mod barrier;
mod block;
mod collective;
mod convert;
mod float;
mod global;
mod integer;
mod matrix;
mod shared;
mod step;
mod warp;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use block::Job;
use global::Global;
use rayon::prelude::*;

use crate::error::FaultKind;
use crate::module::Kernel;
use crate::{Error, Launch, Memory, Options, Result, Stats};

/// Why a warp stops: what a lane did.
#[derive(Debug)]
struct Stop {
    lane: usize,
    kind: FaultKind,
}

impl Stop {
    fn at(lane: usize, kind: FaultKind) -> Box<Self> {
        Box::new(Self { lane, kind })
    }
}

/// Runs a kernel whose launch has been checked. `params` are the bytes of its parameters.
pub(crate) fn launch(
    kernel: &Kernel<'_>,
    memory: &Memory,
    launch: &Launch<'_>,
    params: Vec<u8>,
    options: &Options,
) -> Result<Stats> {
    let job = Job {
        name: kernel.name(),
        text: kernel.text(),
        code: kernel.code(),
        global: Global::new(&memory.table, kernel.variables(), options),
        params,
        grid: launch.grid,
        block: launch.block,
        dynamic_shared: launch.shared as usize,
        options: *options,
    };
    let blocks = launch.grid.iter().map(|&n| u64::from(n)).product::<u64>();
    let (instructions, mma) = (AtomicU64::new(0), AtomicU64::new(0));
    // The first block that fails is reported, whatever the order in which threads get to them.
    let fault =
        (0..blocks).into_par_iter().find_map_first(|number| match block::run(&job, number) {
            Ok(counts) => {
                instructions.fetch_add(counts.instructions, Relaxed);
                mma.fetch_add(counts.mma, Relaxed);
                None
            }
            Err(fault) => Some(fault),
        });
    match fault {
        Some(fault) => Err(Error::Fault(fault)),
        None => Ok(Stats {
            instructions: instructions.load(Relaxed),
            mma: mma.load(Relaxed),
            global: job.global.traffic(),
        }),
    }
}
