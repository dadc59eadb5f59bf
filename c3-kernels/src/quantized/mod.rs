//! `x wᵀ + bias` with weights quantised in blocks, as GGML keeps them.
//!
//! The weights stay the bytes of their file: nothing is repacked when a model is loaded, and a
//! mapped file can be computed with. x is rounded to 8 bits a value, once a call, as llama.cpp
//! does it; products and sums within a block are whole numbers and exact, the rest is f32.
//!
//! Few rows (a step of decoding) are bound by reading weights: `direct` takes them from memory into
//! the products. For more rows `panel` unpacks sixteen rows of weights into lanes and uses them for
//! all rows of x, so that each weight is still read from memory once; types that have no direct
//! kernel go that way always. The work is cut along n, by the shape alone, and each product is
//! summed by one thread: results don't depend on the number of threads.
//!
//! candle's own product of the same weights, which this could have been, in CPU time of one core of
//! a Zen 4 (AVX-512 with VNNI) on `[rows, 2048] × [11008, 2048]`, ours first, in ms. (A streaming
//! read of the weights at 28 GB/s takes 2.7 ms in `q8_0` and 1.4 in `q4_k`.)
//!
//! | rows | `q8_0` | `q6_k` | `q5_k` | `q4_k` | `q5_0` | `q4_0` |
//! |---|---|---|---|---|---|---|
//! | 1 | 2.5, 6.9 | 2.9, 6.4 | 2.2, 6.8 | 1.8, 7.0 | 3.6, 84 | 2.7, 8.9 |
//! | 4 | 6.8, 13 | 4.9, 13 | 5.0, 27 | 4.6, 8.9 | 7.6, 336 | 6.8, 36 |
//! | 8 | 12, 19 | 13, 18 | 10, 55 | 9.7, 14 | 13, 673 | 9.7, 71 |
//! | 64 | 34, 101 | 39, 99 | 35, 435 | 36, 91 | 35, 5398 | 32, 568 |
//!
//! candle also keeps a second, repacked copy of what it multiplies fast, and has threads of its own.
//!
//! Which variants lost:
//! - One panel for one row of x, without direct kernels: `q4_0` 7.3 ms, `q5_0` 10.8.
//! - Unpacking straight from slices: the compiler, not knowing that they don't overlap, goes byte by
//!   byte. `q8_0`, 8 rows: 22 ms; by way of arrays 12. `q5_k`: 42 and 10.

mod activations;
mod block_type;
mod blocks;
#[cfg(target_arch = "x86_64")]
mod direct;
#[cfg(target_arch = "x86_64")]
mod few;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
mod op;
mod panel;
mod unpack;

pub use block_type::BlockType;
pub use blocks::Blocks;
pub use op::{quantized_linear, quantized_linear_with};

use rayon::prelude::*;

use crate::Level;
use crate::shared::Shared;
use activations::Activations;

/// Multiply-adds below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 20;

/// Bytes of weights in a task for few rows of x.
const TASK_BYTES: usize = 96 << 10;

/// Which instructions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with BW, VL and VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Path {
    /// The path of a level that this machine has. AVX-512 without VNNI has no use here: there the
    /// path is AVX2.
    fn of(level: Level) -> Self {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512
                if is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni") =>
            {
                Self::Vnni
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => Self::Avx2,
            _ => Self::Portable,
        }
    }
}

/// What is to be computed, and where it goes.
struct Job<'a> {
    path: Path,
    kind: BlockType,
    /// `[rows, k]`
    x: &'a Activations,
    /// `[n]` rows of blocks
    w: &'a [u8],
    row_bytes: usize,
    /// `[n]`
    bias: Option<&'a [f32]>,
    rows: usize,
    n: usize,
    k: usize,
    /// `[rows, n]`
    out: Shared,
}

/// `[rows, k]` times the transpose of `[n, k]` in blocks, plus `[n]`: `[rows, n]`.
///
/// # Safety
/// The machine must have the level; the slices must have these sizes.
unsafe fn product(
    level: Level,
    x: &[f32],
    (kind, w): (BlockType, &[u8]),
    bias: Option<&[f32]>,
    [rows, n, k]: [usize; 3],
) -> Vec<f32> {
    if k == 0 || rows == 0 {
        return bias.map_or_else(|| vec![0.0; rows * n], |bias| bias.repeat(rows));
    }
    let path = Path::of(level);
    let threads = rows.saturating_mul(n).saturating_mul(k) >= WORTH_THREADS;
    let x = Activations::new(path, x, [rows, k], [kind.block_len(), unpack::group(kind)], threads);
    let mut out = Vec::with_capacity(rows * n);
    let row_bytes = k / kind.block_len() * kind.block_bytes();
    let job =
        Job { path, kind, x: &x, w, row_bytes, bias, rows, n, k, out: Shared(out.as_mut_ptr()) };
    let direct = few_rows(&job);
    let step = if direct { (TASK_BYTES / row_bytes).max(1) } else { panel::task_rows(k) };
    each(n.div_ceil(step), threads, |task| {
        let (first, end) = (task * step, n.min((task + 1) * step));
        // SAFETY: the caller promises level and sizes; tasks write different columns.
        unsafe {
            match direct {
                #[cfg(target_arch = "x86_64")]
                true => few::rows(&job, first, end),
                _ => panel::panels(&job, first, end),
            }
        }
    });
    // SAFETY: that many were reserved, and the tasks have written all columns of all rows.
    unsafe { out.set_len(rows * n) }
    out
}

/// Whether the rows are few enough, and the type one of those, that blocks are multiplied directly.
fn few_rows(job: &Job) -> bool {
    #[cfg(target_arch = "x86_64")]
    return job.rows <= few::MAX_ROWS && few::exists(job.path, job.kind);
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Calls `f` with each number below `count`.
fn each(count: usize, threads: bool, f: impl Fn(usize) + Send + Sync) {
    match threads && count > 1 {
        true => (0..count).into_par_iter().with_max_len(1).for_each(f),
        false => (0..count).for_each(f),
    }
}
