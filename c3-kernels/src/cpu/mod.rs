//! Attention on the CPU: blocks of keys, an online softmax, no score matrix.
//!
//! All query rows of a key-value head (`group × queries`) are computed together, so that each key
//! and value is read once per block of rows. [`plan`] cuts the work into tasks from the shape
//! alone; threads only decide who runs which task, so results don't depend on their number.
//! [`many_rows`] and [`few_rows`] are the kernels; [`combine`] joins the parts of rows whose keys
//! were split.
//!
//! Which variants lost, in GFLOP/s of one core with AVX-512 (peak 175), 12 query heads on 2:
//! - candle's product, softmax, product, with all scores in memory: 20 to 60.
//! - Without prefetching the next keys and values, 8 queries over 32,768 keys: 75, with it 144.
//!   Up to 8,192 keys it makes no difference to speak of.
//! - Queries and results copied to and from lanes one by one, 8 queries over 2,048 keys: 142; in
//!   squares, transposed in registers, 165.
//! - Vectors made in `array::from_fn` and `map`: 99 instead of 153 over 256 keys, because the
//!   instructions were called as functions.

#![allow(clippy::needless_range_loop, reason = "tiles are indexed as the formulas have it")]

mod backward;
mod combine;
mod few_rows;
mod many_rows;
mod plan;
mod problem;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::shared::Shared;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512, Avx512Pairs};
use crate::simd::{Portable, Scratch, Whole, with_scratch};
use crate::{Level, Unit};
pub(crate) use backward::{Gradients, Place};
use plan::{Plan, Task};
use problem::Sink;
pub(crate) use problem::{Problem, Rows};

/// Multiply-adds below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 21;

/// Computes the attention: `[batch, queries, heads, head_dim]`, contiguous.
///
/// # Safety
/// The machine must have the unit, which isn't that of tiles.
pub(crate) unsafe fn attention(unit: Unit, problem: &Problem<'_>) -> Vec<f32> {
    let shape = &problem.shape;
    let mut out = vec![0f32; shape.batch * shape.queries * shape.heads * shape.head_dim];
    if out.is_empty() {
        return out;
    }
    let plan = Plan::new(shape, problem.options);
    let mut parts = vec![0f32; plan.part_values];
    let (shared_out, shared_parts) = (Shared(out.as_mut_ptr()), Shared(parts.as_mut_ptr()));
    let run = |task: &Task| {
        let sink = Sink { problem, task, out: shared_out, parts: shared_parts };
        // SAFETY: the caller promises the unit; the plan keeps tasks within shape and memory.
        with_scratch(|scratch| unsafe { kernel(unit, scratch, &sink) });
    };
    let threads = plan.tasks.len() > 1 && plan.multiply_adds >= WORTH_THREADS;
    match threads {
        true => plan.tasks.par_iter().with_max_len(1).for_each(run),
        false => plan.tasks.iter().for_each(run),
    }
    let join = |tasks: &std::ops::Range<usize>| {
        // SAFETY: these tasks are done, and each run of tasks has rows of its own.
        unsafe { combine::combine(problem, &plan.tasks[tasks.clone()], &parts, shared_out) }
    };
    match threads {
        true => plan.split.par_iter().for_each(join),
        false => plan.split.iter().for_each(join),
    }
    out
}

/// Writes the gradients of [`attention`]'s arguments to their places, given the result's: `grad` is
/// `[batch, queries, heads, head_dim]`.
///
/// # Safety
/// The machine must have the level; there must be room for the gradients, and nobody else may use it.
pub(crate) unsafe fn gradients(
    level: Level,
    problem: &Problem<'_>,
    grad: &Rows<'_>,
    to: Gradients,
) {
    let shape = &problem.shape;
    let run = |i: usize| {
        let head = [i / shape.kv_heads, i % shape.kv_heads];
        // SAFETY: the caller promises the level; each task has a head of its own.
        with_scratch(|scratch| unsafe { backward_of(level, scratch, problem, grad, head, to) });
    };
    let tasks = shape.batch * shape.kv_heads;
    match tasks > 1 && Plan::new(shape, problem.options).multiply_adds >= WORTH_THREADS {
        true => (0..tasks).into_par_iter().with_max_len(1).for_each(run),
        false => (0..tasks).for_each(run),
    }
}

/// # Safety
/// As for [`backward::backward`].
unsafe fn backward_of(
    level: Level,
    scratch: &mut Scratch,
    problem: &Problem<'_>,
    grad: &Rows<'_>,
    head: [usize; 2],
    to: Gradients,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => backward_avx512(scratch, problem, grad, head, to),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => backward_avx2(scratch, problem, grad, head, to),
            _ => backward::backward::<Portable, 4>(scratch, problem, grad, head, to),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn backward_avx512(
    scratch: &mut Scratch,
    problem: &Problem<'_>,
    grad: &Rows<'_>,
    head: [usize; 2],
    to: Gradients,
) {
    unsafe { backward::backward::<Avx512, 8>(scratch, problem, grad, head, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn backward_avx2(
    scratch: &mut Scratch,
    problem: &Problem<'_>,
    grad: &Rows<'_>,
    head: [usize; 2],
    to: Gradients,
) {
    unsafe { backward::backward::<Avx2, 4>(scratch, problem, grad, head, to) }
}

/// Runs one task with the kernel that suits its rows.
///
/// # Safety
/// The machine must have the unit, and the task must lie within the problem's shape.
unsafe fn kernel(unit: Unit, scratch: &mut Scratch, sink: &Sink<'_>) {
    let few = sink.problem.shape.queries * sink.problem.shape.group();
    // SAFETY: passed on to the caller.
    unsafe {
        match unit {
            // Few rows wait for memory, not for products.
            #[cfg(target_arch = "x86_64")]
            Unit::Bf16Pairs | Unit::Vector(Level::Avx512) if few <= 8 => few_avx512(scratch, sink),
            #[cfg(target_arch = "x86_64")]
            Unit::Bf16Pairs => many_pairs(scratch, sink),
            #[cfg(target_arch = "x86_64")]
            Unit::Vector(Level::Avx512) => many_avx512(scratch, sink),
            #[cfg(target_arch = "x86_64")]
            Unit::Vector(Level::Avx2) if few <= 4 => few_avx2(scratch, sink),
            #[cfg(target_arch = "x86_64")]
            Unit::Vector(Level::Avx2) => many_avx2(scratch, sink),
            _ if few <= 2 => few_rows::few_rows::<Portable, 2, 2>(scratch, sink),
            _ => many_rows::many_rows::<Whole<Portable>, 4>(scratch, sink),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn many_pairs(scratch: &mut Scratch, sink: &Sink<'_>) {
    unsafe { many_rows::many_rows::<Avx512Pairs, 8>(scratch, sink) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn many_avx512(scratch: &mut Scratch, sink: &Sink<'_>) {
    unsafe { many_rows::many_rows::<Whole<Avx512>, 8>(scratch, sink) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn many_avx2(scratch: &mut Scratch, sink: &Sink<'_>) {
    unsafe { many_rows::many_rows::<Whole<Avx2>, 4>(scratch, sink) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn few_avx512(scratch: &mut Scratch, sink: &Sink<'_>) {
    unsafe { few_rows::few_rows::<Avx512, 4, 4>(scratch, sink) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn few_avx2(scratch: &mut Scratch, sink: &Sink<'_>) {
    unsafe { few_rows::few_rows::<Avx2, 2, 2>(scratch, sink) }
}
