//! `x wᵀ + bias` with weights as the checkpoint stores them: f32, f16 or bf16.
//!
//! Few rows (a step of decoding) are bound by reading weights: `skinny` reads each once, in 16
//! bits if it is stored so, and widens it in registers. Many rows are bound by arithmetic:
//! `tiles` widens some weights at a time and uses them for all rows. Either way the work is cut
//! along n, by the shape alone, and each product is summed by one thread: results don't depend on
//! the number of threads.
//!
//! Which variants lost, in CPU time of one core with AVX-512:
//! - The `gemm` crate (with its own AVX-512 kernels) on widened weights: it packs the weights in
//!   each call, which many rows pay for and few don't. `[16, 256] × [704, 256]` in f32: 102 µs,
//!   here 43; 64 rows: 201 and 135; 512 rows: about even; 2048 rows: 4.3 ms, here 4.6 to 5.6.
//! - `skinny` for more than 8 rows: the sums across lanes are dear, and 8 rows already take it as
//!   long as 16 take `tiles` (40 to 48 µs on `[704, 256]`).
//! - Widening all weights of a task first: `[16, 2048] × [11008, 2048]` in bf16 took 10.4 ms;
//!   widening 256 of each row just before they are used: 8.0.
//! - All of x for each strip of weights, not in batches that fit the L2 cache:
//!   `[2048, 256] × [704, 256]` took 6.7 ms, in batches 5.6.

mod arithmetic;
mod gradient;
mod op;
mod rounded;
mod skinny;
mod tiles;

pub(crate) use arithmetic::Arithmetic;
pub use op::{linear, linear_with};
pub use rounded::trained_linear;

use std::ops::Range;

use rayon::prelude::*;

use crate::Level;
use crate::shared::Shared;
use crate::simd::{Element, Scratch, with_scratch};
use tiles::Tiling;

/// Multiply-adds below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 20;

/// Rows of the weights in one task for few rows of x.
const SKINNY_COLUMNS: usize = 256;

/// What is to be computed, and where it goes.
struct Job<'a, E> {
    /// `[rows, k]`
    x: &'a [f32],
    /// `[n, k]`
    w: &'a [E],
    /// `[n]`
    bias: Option<&'a [f32]>,
    rows: usize,
    n: usize,
    k: usize,
    /// `[rows, n]`
    out: Shared,
}

/// `[rows, k]` times the transpose of `[n, k]`, plus `[n]`: `[rows, n]`.
///
/// # Safety
/// The machine must have the level; the slices must have these sizes.
pub(crate) unsafe fn product<E: Element>(
    level: Level,
    x: &[f32],
    w: &[E],
    bias: Option<&[f32]>,
    [rows, n, k]: [usize; 3],
) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows * n);
    let job = Job { x, w, bias, rows, n, k, out: Shared(out.as_mut_ptr()) };
    let threads = rows.saturating_mul(n).saturating_mul(k) >= WORTH_THREADS;
    if rows <= skinny::max_rows(level) {
        // SAFETY: the caller promises level and sizes; tasks write different columns.
        let task = |columns| unsafe { skinny::skinny(level, &job, columns) };
        each(n.div_ceil(SKINNY_COLUMNS), threads, |t| task(part(t, SKINNY_COLUMNS, n)));
    } else {
        let tiling = Tiling::new(level, rows);
        let mut kept = Scratch::take();
        let [packed] = kept.split([tiling.width() * k]);
        let lanes = Shared(packed.as_mut_ptr());
        // SAFETY: as long as that; tiles have lanes of their own.
        each(tiling.tiles, threads, |t| unsafe { tiles::pack(level, &tiling, t, x, lanes) });
        each(tiling.tasks(n, k), threads, |t| {
            // SAFETY: as above.
            with_scratch(|scratch| unsafe {
                tiles::tiles(level, &job, t, (&tiling, packed), scratch);
            });
        });
        kept.keep();
    }
    // SAFETY: that many were reserved, and the tasks have written all columns of all rows.
    unsafe { out.set_len(rows * n) }
    out
}

/// The `t`-th part of `0..n`, cut every `step`.
fn part(t: usize, step: usize, n: usize) -> Range<usize> {
    t * step..n.min((t + 1) * step)
}

/// Calls `f` with each number below `count`.
fn each(count: usize, threads: bool, f: impl Fn(usize) + Send + Sync) {
    match threads && count > 1 {
        true => (0..count).into_par_iter().with_max_len(1).for_each(f),
        false => (0..count).for_each(f),
    }
}
