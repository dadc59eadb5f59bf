//! The kernel for many rows: lanes are rows of x, weights are broadcast.
//!
//! x is packed once, `[k, lanes]` for each tile of rows. A task takes some rows of the weights,
//! widens them if they are stored in 16 bits, and goes through all tiles with them in the cache.
//! Weights need no packing, and each is read from memory once, however many rows x has.

use std::ops::Range;

use super::Job;
use crate::Level;
use crate::shared::Shared;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Element, Portable, Scratch, Simd, TILE_VECTORS, from_lanes, tile, to_lanes};

/// Weights of a task, widened: 256 KB, a part of the L2 cache.
const TASK_VALUES: usize = 1 << 16;

/// Elements of k that are multiplied in one go: that part of a tile of x stays in the L1 cache.
const DEPTH: usize = 256;

/// Rows of the weights in a task.
pub(super) fn columns(k: usize) -> usize {
    (TASK_VALUES / k.max(1)).clamp(16, 64).next_multiple_of(8)
}

/// How rows are laid out in lanes: tiles of up to [`TILE_VECTORS`] vectors, as even as can be.
#[derive(Clone, Copy)]
pub(super) struct Tiling {
    rows: usize,
    lanes: usize,
    pub(super) tiles: usize,
}

impl Tiling {
    pub(super) fn new(level: Level, rows: usize) -> Self {
        let lanes = match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::LANES,
            _ => Portable::LANES,
        };
        Self { rows, lanes, tiles: rows.div_ceil(lanes).div_ceil(TILE_VECTORS) }
    }

    /// Lanes of all tiles, those of no row included.
    pub(super) fn width(&self) -> usize {
        self.rows.next_multiple_of(self.lanes)
    }

    /// Lanes of tile `t`.
    fn tile(&self, t: usize) -> Range<usize> {
        let vectors = self.width() / self.lanes;
        t * vectors / self.tiles * self.lanes..(t + 1) * vectors / self.tiles * self.lanes
    }
}

/// Copies the rows of tile `t` of `x` to their lanes in `packed`, `[tiles][k, lanes]`.
///
/// # Safety
/// The machine must have the level; `packed` must hold `width · k` values.
pub(super) unsafe fn pack(level: Level, tiling: &Tiling, t: usize, x: &[f32], packed: Shared) {
    let k = x.len() / tiling.rows;
    let lanes = tiling.tile(t);
    let count = lanes.end.min(tiling.rows) - lanes.start;
    let row = |r: usize| x.as_ptr().wrapping_add((lanes.start + r) * k);
    let to = packed.at(lanes.start * k);
    // SAFETY: rows and lanes lie within `x` and `packed`.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => pack_avx512(row, count, k, to, lanes.len()),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => pack_avx2(row, count, k, to, lanes.len()),
            _ => to_lanes::<Portable>(row, count, k, to, lanes.len()),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn pack_avx512(
    row: impl Fn(usize) -> *const f32,
    count: usize,
    k: usize,
    to: *mut f32,
    width: usize,
) {
    unsafe { to_lanes::<Avx512>(row, count, k, to, width) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn pack_avx2(
    row: impl Fn(usize) -> *const f32,
    count: usize,
    k: usize,
    to: *mut f32,
    width: usize,
) {
    unsafe { to_lanes::<Avx2>(row, count, k, to, width) }
}

/// Computes some columns of the result.
///
/// # Safety
/// The machine must have the level; `columns` must lie within the job's n, and be nobody else's.
pub(super) unsafe fn tiles<E: Element>(
    level: Level,
    job: &Job<'_, E>,
    columns: Range<usize>,
    (tiling, packed): (&Tiling, &[f32]),
    scratch: &mut Scratch,
) {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512(job, columns, tiling, packed, scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(job, columns, tiling, packed, scratch),
            _ => task::<Portable, E, 4>(job, columns, tiling, packed, scratch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<E: Element>(
    job: &Job<'_, E>,
    columns: Range<usize>,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    unsafe { task::<Avx512, E, 8>(job, columns, tiling, packed, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<E: Element>(
    job: &Job<'_, E>,
    columns: Range<usize>,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    unsafe { task::<Avx2, E, 4>(job, columns, tiling, packed, scratch) }
}

#[inline(always)]
unsafe fn task<S: Simd, E: Element, const M: usize>(
    job: &Job<'_, E>,
    columns: Range<usize>,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    let k = job.k;
    // Weights that are used once are widened where they are used, in the L1 cache.
    let strip = if tiling.tiles == 1 { S::LANES } else { columns.len().next_multiple_of(M) };
    let widened = if E::as_f32(job.w).is_some() { 0 } else { strip * k };
    let width = TILE_VECTORS * S::LANES;
    let [wide, sums, bias] = scratch.split([widened, strip * width, strip]);
    for begin in columns.clone().step_by(strip) {
        let end = columns.end.min(begin + strip);
        let stored = &job.w[begin * k..end * k];
        bias.fill(0.0);
        if let Some(given) = job.bias {
            bias[..end - begin].copy_from_slice(&given[begin..end]);
        }
        // SAFETY: the caller promises the level; pointers stay within these slices and the result.
        unsafe {
            let w = match E::as_f32(stored) {
                Some(values) => values.as_ptr(),
                None => {
                    widen::<S, E>(stored, wide);
                    wide.as_ptr()
                }
            };
            for t in 0..tiling.tiles {
                let lanes = tiling.tile(t);
                let width = lanes.len();
                let x = packed.as_ptr().add(lanes.start * k);
                for (column, &bias) in bias.iter().enumerate().take(strip) {
                    for lane in (0..width).step_by(S::LANES) {
                        S::store(sums.as_mut_ptr().add(column * width + lane), S::splat(bias));
                    }
                }
                multiply::<S, M>(w, end - begin, k, x, width, sums.as_mut_ptr());
                let count = lanes.end.min(job.rows) - lanes.start;
                let row = |r: usize| job.out.at((lanes.start + r) * job.n + begin);
                from_lanes::<S>(sums.as_ptr(), width, end - begin, row, count);
            }
        }
    }
}

/// Adds the products of `count` rows of `w` and one tile of x to `sums`, `[count, width]`, whose
/// last group of `M` rows must be complete.
#[inline(always)]
unsafe fn multiply<S: Simd, const M: usize>(
    w: *const f32,
    count: usize,
    k: usize,
    x: *const f32,
    width: usize,
    sums: *mut f32,
) {
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1));
    for from in (0..k).step_by(depth.max(1)) {
        let depth = depth.min(k - from);
        let x = x.wrapping_add(from * width);
        for column in (0..count).step_by(M) {
            let w: [*const f32; M] =
                std::array::from_fn(|m| w.wrapping_add((column + m).min(count - 1) * k + from));
            let sums = sums.wrapping_add(column * width);
            unsafe {
                match width / S::LANES {
                    1 => tile::<S, M, 1>(w, x, depth, sums, true, |_| {}),
                    2 => tile::<S, M, 2>(w, x, depth, sums, true, |_| {}),
                    _ => tile::<S, M, TILE_VECTORS>(w, x, depth, sums, true, |_| {}),
                }
            }
        }
    }
}

/// Widens `from` into the beginning of `to`.
#[inline(always)]
unsafe fn widen<S: Simd, E: Element>(from: &[E], to: &mut [f32]) {
    let (whole, rest) = from.as_chunks::<16>();
    let (to_whole, to_rest) = to[..from.len()].as_chunks_mut::<16>();
    unsafe {
        for (from, to) in whole.iter().zip(to_whole) {
            for i in (0..16).step_by(S::LANES) {
                S::store(to.as_mut_ptr().add(i), E::load::<S>(from.as_ptr().add(i)));
            }
        }
        for i in (0..rest.len()).step_by(S::LANES) {
            let n = (rest.len() - i).min(S::LANES);
            let wide = E::load_first::<S>(rest.as_ptr().add(i), n);
            S::store_first(to_rest.as_mut_ptr().add(i), wide, n);
        }
    }
}
