//! `x wᵀ + bias` with weights as the checkpoint stores them: f32, f16 or bf16.
//!
//! Few rows (a step of decoding) are bound by reading weights: [`skinny`] reads each once, in 16
//! bits if it is stored so, and widens it in registers. Many rows are bound by arithmetic:
//! [`panel`] widens some weights at a time and hands them to the `gemm` crate. Either way the work
//! is cut along n, by the shape alone, and each product is summed by one thread: results don't
//! depend on the number of threads.

mod op;
mod panel;
mod skinny;

pub use op::{linear, linear_with};

use rayon::prelude::*;

use crate::Level;
use crate::shared::Shared;
use crate::simd::{Element, with_scratch};

/// Multiply-adds below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 20;

/// Rows of the weights in one task for few rows of x.
const SKINNY_COLUMNS: usize = 256;

/// `x` against some rows of the weights.
struct Strip<'a, E> {
    /// `[rows, k]`
    x: &'a [f32],
    rows: usize,
    k: usize,
    /// `[count, k]`
    w: &'a [E],
    count: usize,
    /// `[count]`
    bias: Option<&'a [f32]>,
    /// `[rows, count]`, with `out_step` elements from one row to the next; nobody else's
    out: *mut f32,
    out_step: usize,
}

/// `[rows, k]` times the transpose of `[n, k]`, plus `[n]`: `[rows, n]`.
///
/// # Safety
/// The machine must have the level; the slices must have these sizes.
unsafe fn product<E: Element>(
    level: Level,
    x: &[f32],
    w: &[E],
    bias: Option<&[f32]>,
    [rows, n, k]: [usize; 3],
) -> Vec<f32> {
    let mut out = vec![0f32; rows * n];
    let shared = Shared(out.as_mut_ptr());
    let columns = if rows <= skinny::MAX_ROWS { SKINNY_COLUMNS } else { panel::columns(k) };
    let run = |task: usize| {
        let begin = task * columns;
        let count = columns.min(n - begin);
        let strip = Strip {
            x,
            rows,
            k,
            w: &w[begin * k..(begin + count) * k],
            count,
            bias: bias.map(|bias| &bias[begin..begin + count]),
            out: shared.at(begin),
            out_step: n,
        };
        // SAFETY: the caller promises level and sizes; tasks write different columns.
        unsafe {
            match rows <= skinny::MAX_ROWS {
                true => skinny::skinny(level, &strip),
                false => with_scratch(|scratch| panel::panel(level, &strip, scratch)),
            }
        }
    };
    let tasks = n.div_ceil(columns);
    let multiply_adds = rows.saturating_mul(n).saturating_mul(k);
    match tasks > 1 && multiply_adds >= WORTH_THREADS {
        true => (0..tasks).into_par_iter().with_max_len(1).for_each(run),
        false => (0..tasks).for_each(run),
    }
    out
}
