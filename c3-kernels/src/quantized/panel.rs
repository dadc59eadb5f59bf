//! The kernel for many rows of x, and for any type of block: sixteen rows of weights at a time are
//! unpacked into lanes, once for all rows of x.

#![allow(clippy::needless_range_loop, reason = "tiles are indexed as the formulas have it")]

use super::activations::Activations;
use super::lanes::{Lanes, PortableLanes};
#[cfg(target_arch = "x86_64")]
use super::lanes_x86::{Avx2Lanes, VnniLanes};
use super::unpack::{Block, unpack_row, with_block};
use super::{Job, Path};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Scratch, Simd, to_lanes, with_scratch};

/// Rows of weights in a panel.
const WIDTH: usize = 16;

/// Bytes of the panels that a task keeps at hand: a part of a core's L2 cache.
const STRIP_BYTES: usize = 256 << 10;

/// Weight rows of a task.
pub(super) fn task_rows(k: usize) -> usize {
    WIDTH * (STRIP_BYTES / (WIDTH * (k + k / 4)).max(1)).clamp(1, 4)
}

/// Computes the outputs of weight rows `first..end` for all rows of x.
///
/// # Safety
/// The path's instructions must be there; `job`'s slices must have the sizes it says; nobody else
/// may write these columns.
pub(super) unsafe fn panels(job: &Job, first: usize, end: usize) {
    // SAFETY: the caller's promise.
    with_scratch(|scratch| unsafe {
        with_block!(job.kind, B => at_path::<B>(job, first, end, scratch));
    });
}

unsafe fn at_path<B: Block>(job: &Job, first: usize, end: usize, scratch: &mut Scratch) {
    unsafe {
        match job.path {
            #[cfg(target_arch = "x86_64")]
            Path::Vnni => vnni::<B>(job, first, end, scratch),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => avx2::<B>(job, first, end, scratch),
            Path::Portable => strip::<B, Portable, PortableLanes>(job, first, end, scratch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")]
unsafe fn vnni<B: Block>(job: &Job, first: usize, end: usize, scratch: &mut Scratch) {
    unsafe { strip::<B, Avx512, VnniLanes>(job, first, end, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<B: Block>(job: &Job, first: usize, end: usize, scratch: &mut Scratch) {
    unsafe { strip::<B, Avx2, Avx2Lanes>(job, first, end, scratch) }
}

/// Where the parts of a panel lie.
#[derive(Clone, Copy)]
struct Panel {
    q: *mut f32,      // [k / 4][16] of four weights each
    scales: *mut f32, // [groups][16]
    mins: *mut f32,   // [groups][16]
}

impl Panel {
    /// The `p`-th after this one.
    fn nth(self, p: usize, k: usize, groups: usize) -> Self {
        Self {
            q: self.q.wrapping_add(p * WIDTH * (k / 4)),
            scales: self.scales.wrapping_add(p * WIDTH * groups),
            mins: self.mins.wrapping_add(p * WIDTH * groups),
        }
    }
}

#[inline(always)]
unsafe fn strip<B: Block, S: Simd, L: Lanes>(
    job: &Job,
    first: usize,
    end: usize,
    scratch: &mut Scratch,
) {
    let (k, groups) = (job.k, job.x.groups);
    let panels = (end - first).div_ceil(WIDTH);
    let values = [WIDTH * (k / 4), WIDTH * groups, WIDTH * groups];
    let [rows, row_scales, row_mins, q, scales, mins] = scratch.split([
        values[0],
        values[1],
        values[2],
        panels * values[0],
        panels * values[1],
        panels * values[2],
    ]);
    // SAFETY: one byte for each weight; any byte is one.
    let rows = unsafe { std::slice::from_raw_parts_mut(rows.as_mut_ptr().cast::<u8>(), WIDTH * k) };
    let all = Panel { q: q.as_mut_ptr(), scales: scales.as_mut_ptr(), mins: mins.as_mut_ptr() };
    for p in 0..panels {
        let count = (end - first - p * WIDTH).min(WIDTH);
        let weights = &job.w[(first + p * WIDTH) * job.row_bytes..][..count * job.row_bytes];
        for (r, row) in weights.chunks_exact(job.row_bytes).enumerate() {
            let of_row = r * groups..(r + 1) * groups;
            let (scales, mins) = (&mut row_scales[of_row.clone()], &mut row_mins[of_row]);
            unpack_row::<B>(row, &mut rows[r * k..(r + 1) * k], scales, mins);
        }
        let panel = all.nth(p, k, groups);
        let (rows, scales, mins) = (rows.as_ptr(), row_scales.as_ptr(), row_mins.as_ptr());
        // SAFETY: the caller promises the instructions; both sides are as long as that.
        unsafe {
            let row = |r: usize| rows.wrapping_add(r * k).cast();
            to_lanes::<S>(row, count, k / 4, panel.q, WIDTH);
            let row = |r: usize| scales.wrapping_add(r * groups);
            to_lanes::<S>(row, count, groups, panel.scales, WIDTH);
            if B::MINS {
                let row = |r: usize| mins.wrapping_add(r * groups);
                to_lanes::<S>(row, count, groups, panel.mins, WIDTH);
            }
        }
    }
    let mut row = 0;
    while row < job.rows {
        let left = job.rows - row;
        let together = match L::ROWS.min(left) {
            8.. => 8,
            4..8 => 4,
            2..4 => 2,
            _ => 1,
        };
        for p in 0..panels {
            let (panel, column) = (all.nth(p, k, groups), first + p * WIDTH);
            let count = (end - column).min(WIDTH);
            // SAFETY: as above; there are that many rows and columns.
            unsafe {
                match together {
                    8 => times::<B, L, 8>(job, row, panel, column, count),
                    4 => times::<B, L, 4>(job, row, panel, column, count),
                    2 => times::<B, L, 2>(job, row, panel, column, count),
                    _ => times::<B, L, 1>(job, row, panel, column, count),
                }
            }
        }
        row += together;
    }
}

/// `M` rows of x from `row` on times a panel: `count` columns of the result from `column` on.
#[inline(always)]
unsafe fn times<B: Block, L: Lanes, const M: usize>(
    job: &Job,
    row: usize,
    panel: Panel,
    column: usize,
    count: usize,
) {
    let x: &Activations = job.x;
    let taken_off = if B::WIDE && L::SIGNED { 0 } else { i32::from(B::OFFSET) };
    let (first, first_group) = (row * x.k, row * x.groups);
    let (q, d, x_sums) = (x.q.as_ptr(), x.scales.as_ptr(), x.sums.as_ptr());
    unsafe {
        let (q, d, x_sums) = (q.add(first), d.add(first_group), x_sums.add(first_group));
        let mut acc = [L::floats(0.0); M];
        for g in 0..x.groups {
            let mut sums = [L::ints(0); M];
            if taken_off != 0 {
                for m in 0..M {
                    sums[m] = L::ints(-taken_off * *x_sums.add(m * x.groups + g));
                }
            }
            for i in 0..B::GROUP / 4 {
                let four = g * (B::GROUP / 4) + i;
                let w = L::weights(panel.q.add(four * WIDTH).cast());
                for m in 0..M {
                    let q = q.add(m * x.k + 4 * four);
                    sums[m] = if B::WIDE {
                        L::dot::<true>(sums[m], w, q)
                    } else {
                        L::dot::<false>(sums[m], w, q)
                    };
                }
            }
            let scale = L::load(panel.scales.add(g * WIDTH));
            for m in 0..M {
                let d = *d.add(m * x.groups + g);
                acc[m] = L::scaled(acc[m], sums[m], scale, d);
                if B::MINS {
                    let sum = *x_sums.add(m * x.groups + g) as f32;
                    acc[m] = L::minus(acc[m], L::load(panel.mins.add(g * WIDTH)), d * sum);
                }
            }
        }
        for m in 0..M {
            let mut out = [0f32; WIDTH];
            L::store(out.as_mut_ptr(), acc[m]);
            for (i, value) in out[..count].iter().enumerate() {
                let bias = job.bias.map_or(0.0, |bias| bias[column + i]);
                job.out.at((row + m) * job.n + column + i).write(value + bias);
            }
        }
    }
}
