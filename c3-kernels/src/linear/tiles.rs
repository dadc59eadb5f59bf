//! The kernel for many rows: lanes are rows of x, weights are broadcast.
//!
//! x is packed once, `[k, lanes]` for each tile of rows. A task takes some rows of the weights,
//! widens them if they are stored in 16 bits, and goes through all tiles with them in the cache.
//! Weights need no packing, and each is read from memory once, however many rows x has.

use std::ops::Range;

use super::{Job, part};
use crate::Level;
use crate::shared::Shared;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Element, Portable, Scratch, Simd, TILE_VECTORS, from_lanes, multiply, to_lanes};

/// Columns whose weights are widened together.
const STRIP: usize = 64;

/// Elements of k that are multiplied in one go: that part of a tile of x stays in the L1 cache.
const DEPTH: usize = 256;

/// Elements of x in a batch of tiles: half the L2 cache of a core.
const BATCH_VALUES: usize = 1 << 18;

/// Tiles of a batch, at most; bounds the memory for their sums.
const BATCH_TILES: usize = 16;

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

    /// Tiles that are multiplied together: their part of x stays in the L2 cache.
    fn batch(&self, k: usize) -> usize {
        let values = (TILE_VECTORS * self.lanes).saturating_mul(k.max(1));
        (BATCH_VALUES / values).clamp(1, BATCH_TILES)
    }

    /// How many tasks `n` columns make, given k.
    pub(super) fn tasks(&self, n: usize, k: usize) -> usize {
        self.tiles.div_ceil(self.batch(k)) * n.div_ceil(self.columns(k))
    }

    /// Columns of a task: fewer if they alone must occupy all threads.
    fn columns(&self, k: usize) -> usize {
        if self.tiles <= self.batch(k) { STRIP } else { 8 * STRIP }
    }

    /// Tiles and columns of task `t`.
    pub(super) fn task(&self, t: usize, n: usize, k: usize) -> (Range<usize>, Range<usize>) {
        let (batch, columns) = (self.batch(k), self.columns(k));
        let across = n.div_ceil(columns);
        (part(t / across, batch, self.tiles), part(t % across, columns, n))
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

/// Computes task `t` of the tiling.
///
/// # Safety
/// The machine must have the level; `packed` must be x as [`pack`] leaves it.
pub(super) unsafe fn tiles<E: Element>(
    level: Level,
    job: &Job<'_, E>,
    t: usize,
    (tiling, packed): (&Tiling, &[f32]),
    scratch: &mut Scratch,
) {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512(job, t, tiling, packed, scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(job, t, tiling, packed, scratch),
            _ => task::<Portable, E, 4>(job, t, tiling, packed, scratch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<E: Element>(
    job: &Job<'_, E>,
    t: usize,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    unsafe { task::<Avx512, E, 8>(job, t, tiling, packed, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<E: Element>(
    job: &Job<'_, E>,
    t: usize,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    unsafe { task::<Avx2, E, 4>(job, t, tiling, packed, scratch) }
}

#[inline(always)]
unsafe fn task<S: Simd, E: Element, const M: usize>(
    job: &Job<'_, E>,
    t: usize,
    tiling: &Tiling,
    packed: &[f32],
    scratch: &mut Scratch,
) {
    let (tiles, columns) = tiling.task(t, job.n, job.k);
    // Weights that one tile uses are widened just before, in the L1 cache.
    let strip = if tiles.len() == 1 { S::LANES } else { STRIP };
    let widened = if E::as_f32(job.w).is_some() { 0 } else { strip * DEPTH };
    let width = tiles.len() * TILE_VECTORS * S::LANES;
    let [wide, sums] = scratch.split([widened, strip * width]);
    for begin in columns.clone().step_by(strip) {
        let columns = begin..columns.end.min(begin + strip);
        // SAFETY: the caller promises the level; pointers stay within these slices and the result.
        unsafe { batch::<S, E, M>(job, columns, (tiling, tiles.clone()), packed, wide, sums) };
    }
}

/// Some columns of some tiles; their sums stay in `sums`, `[tile][column, lane]`, till complete.
#[inline(always)]
unsafe fn batch<S: Simd, E: Element, const M: usize>(
    job: &Job<'_, E>,
    columns: Range<usize>,
    (tiling, tiles): (&Tiling, Range<usize>),
    packed: &[f32],
    wide: &mut [f32],
    sums: &mut [f32],
) {
    let (k, count) = (job.k, columns.len());
    // The last group of M columns may be incomplete; its sums are made as if it were not.
    let places = count.next_multiple_of(M);
    let start = tiling.tile(tiles.start).start;
    let sums_at = |lanes: &Range<usize>| {
        sums.as_ptr().wrapping_add((lanes.start - start) * places).cast_mut()
    };
    unsafe {
        for lanes in tiles.clone().map(|t| tiling.tile(t)) {
            for place in 0..places {
                let bias = job.bias.map_or(0.0, |bias| bias[columns.start + place.min(count - 1)]);
                let sums = sums_at(&lanes).add(place * lanes.len());
                for lane in (0..lanes.len()).step_by(S::LANES) {
                    S::store(sums.add(lane), S::splat(bias));
                }
            }
        }
        for from in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - from);
            let stored = |column: usize| &job.w[(columns.start + column) * k + from..][..depth];
            let (w, step) = match E::as_f32(stored(0)) {
                Some(first) => (first.as_ptr(), k),
                None => {
                    for column in 0..count {
                        prefetch_next::<S, E>(stored(column));
                        widen::<S, E>(stored(column), &mut wide[column * DEPTH..]);
                    }
                    (wide.as_ptr(), DEPTH)
                }
            };
            for lanes in tiles.clone().map(|t| tiling.tile(t)) {
                let x = packed.as_ptr().add(lanes.start * k + from * lanes.len());
                let sums = sums_at(&lanes);
                multiply::<S, M>((w, step), count, depth, (x, lanes.len()), sums);
            }
        }
        for lanes in tiles.map(|t| tiling.tile(t)) {
            let rows = lanes.end.min(job.rows) - lanes.start;
            let row = |r: usize| job.out.at((lanes.start + r) * job.n + columns.start);
            from_lanes::<S>(sums_at(&lanes), lanes.len(), count, row, rows);
        }
    }
}

/// Asks for as many weights as these, right behind them: rows are longer than they are read at a
/// time, and the hardware doesn't foresee that the rest will be wanted.
#[inline(always)]
fn prefetch_next<S: Simd, E>(weights: &[E]) {
    let behind = weights.as_ptr().wrapping_add(weights.len()).cast::<u8>();
    for byte in (0..size_of_val(weights)).step_by(64) {
        S::prefetch(behind.wrapping_add(byte).cast());
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
