//! Cuts a product into tasks and runs them on the unit asked for.

use std::ops::Range;

use rayon::prelude::*;

use super::block::{AHEAD, Place, block};
use super::dot::{Dot, Widened};
#[cfg(target_arch = "x86_64")]
use super::round::{Blocks, round};
use super::{CHUNK, PANEL, PackedMatrix, Unit, amx};
use crate::Level;
use crate::factor::Factor;
use crate::shared::Shared;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Scratch, Simd};

/// Multiply-adds below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 20;

/// Panels of a task where x has few rows: weights come from memory, and a task takes long enough.
const FEW_PANELS: usize = 8;

/// Panels of a task where x has many rows: a chunk of them takes less than half of an L2 cache.
const MANY_PANELS: usize = 12;

/// What is to be computed, and where it goes.
pub(super) struct Job<'a> {
    pub(super) x: Factor<'a>, // [rows, k]; row by row but for pairs of bf16
    pub(super) matrix: &'a PackedMatrix,
    /// Columns of the matrix; they begin with a panel.
    pub(super) columns: Range<usize>,
    pub(super) bias: Option<&'a [f32]>, // [columns]
    pub(super) round: bool,
    /// Whether to add to what is in the result; without a bias.
    pub(super) add: bool,
    pub(super) out: Shared, // [rows, columns]
}

impl Job<'_> {
    /// Panels that hold the columns.
    pub(super) fn panels(&self) -> Range<usize> {
        self.columns.start / PANEL..self.columns.end.div_ceil(PANEL)
    }

    /// Where the sums of rows from `row` on in columns from panel `panel` on go; `first` says
    /// whether they are the first chunk's.
    pub(super) fn place(&self, row: usize, panel: usize, first: bool) -> Place<'_> {
        let column = panel * PANEL - self.columns.start;
        let step = self.columns.len();
        let bias = self.bias.map(|bias| &bias[column..]);
        Place {
            out: Shared(self.out.at(row * step + column)),
            step,
            columns: step - column,
            start: (first && !self.add).then_some(bias),
        }
    }

    pub(super) fn rows(&self) -> usize {
        let [rows, _] = self.x.dims();
        rows
    }

    pub(super) fn worth_threads(&self) -> bool {
        let [_, k] = self.matrix.dims();
        self.rows().saturating_mul(self.columns.len()).saturating_mul(k) >= WORTH_THREADS
    }
}

/// Computes the job.
///
/// # Safety
/// The machine must have the unit, and slices and result the sizes that the job says.
pub(super) unsafe fn product(unit: Unit, job: &Job<'_>) {
    // SAFETY: passed on to the caller.
    unsafe {
        match unit {
            Unit::Tiles => amx::product(job),
            #[cfg(target_arch = "x86_64")]
            Unit::Bf16Pairs => run::<super::dot::Pairs>(job, 24, pack_pairs, pairs_task),
            #[cfg(target_arch = "x86_64")]
            Unit::Vector(Level::Avx512) => {
                run::<Widened<Avx512>>(job, 24, pack::<Widened<Avx512>>, avx512_task)
            }
            #[cfg(target_arch = "x86_64")]
            Unit::Vector(Level::Avx2) => {
                run::<Widened<Avx2>>(job, 5, pack::<Widened<Avx2>>, avx2_task)
            }
            _ => run::<Widened<Portable>>(job, 4, pack::<Widened<Portable>>, portable_task),
        }
    }
}

/// Rows of x in blocks, packed: `[block][k / 2][rows of the block]`.
pub(super) struct Packed<'a, D: Dot> {
    x: &'a [D::Pair],
    rows: usize,
    blocks: usize,
    depth: usize,
}

impl<D: Dot> Packed<'_, D> {
    fn block(&self, i: usize) -> Range<usize> {
        i * self.rows / self.blocks..(i + 1) * self.rows / self.blocks
    }

    /// Elements of x of block `i` from element `from` of k on.
    fn at(&self, i: usize, from: usize) -> *const D::Pair {
        let rows = self.block(i);
        self.x.as_ptr().wrapping_add(rows.start * self.depth / 2 + from / 2 * rows.len())
    }
}

/// Computes some panels of the result; `unsafe`, since the machine must have the unit.
type Task<D> = unsafe fn(&Job<'_>, &Packed<'_, D>, Range<usize>);

/// Packs x, cut into a number of blocks, for a depth, with other threads or without; `unsafe`, since
/// there must be room for it.
type Pack<D> = unsafe fn(&Job<'_>, *mut <D as Dot>::Pair, usize, usize, bool);

/// Packs x and calls `task` for all panels. Up to `few` rows are one block; others are cut into
/// blocks of 8 at most.
///
/// # Safety
/// As for [`product`].
unsafe fn run<D: Dot>(job: &Job<'_>, few: usize, pack: Pack<D>, task: Task<D>) {
    let depth = job.matrix.depth();
    let rows = job.rows();
    let blocks = if rows <= few { 1 } else { rows.div_ceil(few.min(8)) };
    let panels = job.panels();
    let step = if blocks == 1 { FEW_PANELS } else { MANY_PANELS };
    let mut kept = Scratch::take();
    let per_pair = size_of::<D::Pair>() / size_of::<f32>();
    let [values] = kept.split([rows * depth / 2 * per_pair]);
    // SAFETY: pairs are one or two numbers of 32 bits.
    let x: &mut [D::Pair] =
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), rows * depth / 2) };
    let threads = job.worth_threads();
    // SAFETY: there is room for every row.
    unsafe { pack(job, x.as_mut_ptr(), blocks, depth, threads) }
    let packed = Packed::<D> { x, rows, blocks, depth };
    let part = |t: usize| {
        let start = panels.start + t * step;
        // SAFETY: as the caller promises; tasks write different columns.
        unsafe { task(job, &packed, start..panels.end.min(start + step)) }
    };
    each(panels.len().div_ceil(step), threads, part);
    kept.keep();
}

/// Packs x for units of bf16.
///
/// # Safety
/// There must be room for `depth / 2` pairs of each row.
#[cfg(target_arch = "x86_64")]
unsafe fn pack_pairs(job: &Job<'_>, to: *mut u32, blocks: usize, depth: usize, threads: bool) {
    let blocks = Blocks::Even { rows: job.rows(), count: blocks };
    // SAFETY: passed on to the caller.
    unsafe { round(&job.x, blocks, depth, to, threads) }
}

/// Packs x for vectors of f32.
///
/// # Safety
/// As for [`pack_pairs`].
unsafe fn pack<D: Dot>(
    job: &Job<'_>,
    to: *mut D::Pair,
    blocks: usize,
    depth: usize,
    threads: bool,
) {
    struct To<P>(*mut P);
    // SAFETY: blocks have places of their own.
    unsafe impl<P> Sync for To<P> {}
    let (to, rows) = (To(to), job.rows());
    each(blocks, threads && blocks > 1, |i| {
        let to = &to;
        let block = i * rows / blocks..(i + 1) * rows / blocks;
        let start = to.0.wrapping_add(block.start * depth / 2);
        for (r, row) in block.clone().enumerate() {
            let (pairs, rest) = job.x.row(row).as_chunks::<2>();
            let last = rest.first().map(|&x| [x, 0.0]);
            let all = pairs.iter().copied().chain(last);
            let padding = depth / 2 - pairs.len() - rest.len();
            for (pair, [a, b]) in all.chain(std::iter::repeat_n([0.0; 2], padding)).enumerate() {
                // SAFETY: within this block's part of the room.
                unsafe { *start.add(pair * block.len() + r) = D::pair(a, b, job.round) }
            }
        }
    });
}

/// Calls `f` with each number below `count`.
pub(super) fn each(count: usize, threads: bool, f: impl Fn(usize) + Send + Sync) {
    match threads && count > 1 {
        true => (0..count).into_par_iter().with_max_len(1).for_each(f),
        false => (0..count).for_each(f),
    }
}

/// Calls `block` with the number of rows as a constant.
macro_rules! by_rows {
    ($dot:ty, $n:literal, $rows:expr, $call:tt, $($r:literal => $u:literal),+) => {
        match $rows {
            $($r => block::<$dot, $r, $n, $u> $call,)+
            _ => {}
        }
    };
}

/// One block of rows: each panel is read from one end to the other, once.
macro_rules! few {
    ($dot:ty, $n:literal, $job:expr, $packed:expr, $panels:expr, $($rows:tt)+) => {
        for panel in $panels {
            let start = $job.matrix.panel(panel);
            for from in (0..$packed.depth.max(1)).step_by(CHUNK) {
                let pairs = ($packed.depth - from).min(CHUNK) / 2;
                let w = columns::<$dot, $n>(start.wrapping_add(from * PANEL), 0);
                let (x, place) = ($packed.at(0, from), $job.place(0, panel, from == 0));
                by_rows!($dot, $n, $job.rows(), (w, x, pairs, AHEAD, &place), $($rows)+);
            }
        }
    };
}

/// Many blocks of rows: a chunk of the task's panels stays in the L2 cache while all of them use it,
/// a chunk of a block of x in the L1 cache while all panels do. The last block asks for the next
/// chunk. Panels are taken as many at
/// a time as `$n` vectors hold; the first that is left over is returned.
macro_rules! many {
    ($dot:ty, $n:literal, $job:expr, $packed:expr, $panels:expr, $from:expr, $i:expr, $($rows:tt)+) => {{
        let (from, depth) = ($from, $packed.depth);
        let pairs = (depth - from).min(CHUNK) / 2;
        let rows = $packed.block($i);
        let ahead = match $i + 1 == $packed.blocks {
            true if from + CHUNK < depth => CHUNK * PANEL,
            true => ($panels.len() * depth).saturating_sub(from) * PANEL,
            false => 0,
        };
        let x = $packed.at($i, from);
        let group = ($n * <$dot as Dot>::Simd::LANES) / PANEL;
        let mut panel = $panels.start;
        while panel + group <= $panels.end {
            let start = $job.matrix.panel(panel).wrapping_add(from * PANEL);
            let w = columns::<$dot, $n>(start, depth * PANEL);
            let place = $job.place(rows.start, panel, from == 0);
            by_rows!($dot, $n, rows.len(), (w, x, pairs, ahead, &place), $($rows)+);
            panel += group;
        }
        panel
    }};
}

/// Every chunk of k, and every block of rows in it.
macro_rules! each_block {
    ($packed:expr, $from:ident, $i:ident, $body:expr) => {
        for $from in (0..$packed.depth.max(1)).step_by(CHUNK) {
            for $i in 0..$packed.blocks {
                $body;
            }
        }
    };
}

/// The places of `N` vectors of columns: panels are `step` elements apart.
#[inline(always)]
fn columns<D: Dot, const N: usize>(start: *const u16, step: usize) -> [*const u16; N] {
    let mut places = [start; N];
    for (n, place) in places.iter_mut().enumerate() {
        let column = n * D::Simd::LANES;
        *place = start.wrapping_add(column / PANEL * step + column % PANEL * 2);
    }
    places
}

macro_rules! wide_task {
    ($dot:ty, $job:expr, $packed:expr, $panels:expr) => {
        if $packed.blocks == 1 {
            few!($dot, 1, $job, $packed, $panels,
                1 => 8, 2 => 4, 3 => 2, 4 => 2, 5 => 1, 6 => 1, 7 => 1, 8 => 1, 9 => 1, 10 => 1,
                11 => 1, 12 => 1, 13 => 1, 14 => 1, 15 => 1, 16 => 1, 17 => 1, 18 => 1, 19 => 1,
                20 => 1, 21 => 1, 22 => 1, 23 => 1, 24 => 1);
        } else {
            // Blocks of more than 24 rows are cut evenly: none has fewer than 6.
            each_block!($packed, from, i, {
                let rest = many!($dot, 3, $job, $packed, $panels, from, i, 6 => 1, 7 => 1, 8 => 1);
                let rest = rest..$panels.end;
                many!($dot, 1, $job, $packed, rest, from, i, 6 => 1, 7 => 1, 8 => 1)
            });
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn pairs_task(job: &Job<'_>, packed: &Packed<'_, super::dot::Pairs>, panels: Range<usize>) {
    unsafe { wide_task!(super::dot::Pairs, job, packed, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512_task(job: &Job<'_>, packed: &Packed<'_, Widened<Avx512>>, panels: Range<usize>) {
    unsafe { wide_task!(Widened<Avx512>, job, packed, panels) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2_task(job: &Job<'_>, packed: &Packed<'_, Widened<Avx2>>, panels: Range<usize>) {
    unsafe {
        if packed.blocks == 1 {
            few!(Widened<Avx2>, 2, job, packed, panels, 1 => 4, 2 => 2, 3 => 2, 4 => 1, 5 => 1);
        } else {
            each_block!(packed, from, i, {
                many!(Widened<Avx2>, 2, job, packed, panels, from, i, 3 => 1, 4 => 1, 5 => 1)
            });
        }
    }
}

unsafe fn portable_task(
    job: &Job<'_>,
    packed: &Packed<'_, Widened<Portable>>,
    panels: Range<usize>,
) {
    unsafe {
        if packed.blocks == 1 {
            few!(Widened<Portable>, 4, job, packed, panels, 1 => 1, 2 => 1, 3 => 1, 4 => 1);
        } else {
            each_block!(packed, from, i, {
                many!(Widened<Portable>, 4, job, packed, panels, from, i, 2 => 1, 3 => 1, 4 => 1)
            });
        }
    }
}
