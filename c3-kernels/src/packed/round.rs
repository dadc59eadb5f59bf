//! f32 matrices rounded to bf16, in the order that products read them: blocks of rows, and in each
//! block `[depth / 2][width]` pairs of k. A panel of weights is such a block, and so are some rows of x.
//! Either is made of a matrix or of its transpose alike, so that the products of a backward pass need
//! no transposes in memory.

use std::ops::Range;

use super::PANEL;
#[cfg(target_arch = "x86_64")]
use super::Unit;
use super::product::each;
use crate::factor::Factor;
#[cfg(target_arch = "x86_64")]
use crate::simd::Avx512Pairs;
use crate::simd::{ModelPairs, Operand, Pair, Simd, pair_of};

/// Blocks of a task. Neighbouring blocks of a transpose share cache lines.
const TASK: usize = 8;

/// How rows are cut into blocks.
#[derive(Clone, Copy)]
pub(super) enum Blocks {
    /// As evenly as can be, each block as wide as it has rows.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "of x, for pairs of bf16"))]
    Even { rows: usize, count: usize },
    /// Panels; the last is filled up with zeros.
    Panels { rows: usize },
}

impl Blocks {
    fn count(self) -> usize {
        match self {
            Self::Even { count, .. } => count,
            Self::Panels { rows } => rows.div_ceil(PANEL),
        }
    }

    fn rows(self, i: usize) -> Range<usize> {
        match self {
            Self::Even { rows, count } => i * rows / count..(i + 1) * rows / count,
            Self::Panels { rows } => i * PANEL..rows.min((i + 1) * PANEL),
        }
    }
}

/// A block, and where it goes: `[depth / 2][width]` pairs.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    rows: usize,
    width: usize,
    to: *mut f32,
}

/// Where pairs go; a pair is as large as a f32.
struct To(*mut f32);

// SAFETY: blocks have places of their own.
unsafe impl Sync for To {}

/// Rounds all of `from`, `[rows, k]`, into blocks, one behind the other at `to`; what is beyond k, up
/// to `depth`, is zero. `threads` says whether other threads may help.
///
/// # Safety
/// There must be room for `depth / 2` pairs in each row of each block. `depth` is even and at least k.
pub(super) unsafe fn round(
    from: &Factor<'_>,
    blocks: Blocks,
    depth: usize,
    to: *mut u32,
    threads: bool,
) {
    let to = To(to.cast());
    each(blocks.count().div_ceil(TASK), threads, |t| {
        let (start, to) = (t * TASK, &to);
        let count = (blocks.count() - start).min(TASK);
        let block = |i: usize| {
            let rows = blocks.rows(start + i.min(count - 1));
            let width = if let Blocks::Panels { .. } = blocks { PANEL } else { rows.len() };
            let to = to.0.wrapping_add(rows.start * depth / 2);
            Block { first: rows.start, rows: rows.len(), width, to }
        };
        let all: [Block; TASK] = std::array::from_fn(block);
        // SAFETY: as the caller promises; blocks lie one behind the other.
        unsafe { task(from, &all[..count], depth) }
    });
}

/// # Safety
/// There must be room for the blocks.
unsafe fn task(from: &Factor<'_>, blocks: &[Block], depth: usize) {
    // SAFETY: passed on to the caller; the unit is there.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if Unit::Bf16Pairs.is_available() {
            return pairs(from, blocks, depth);
        }
        some::<ModelPairs>(from, blocks, depth);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn pairs(from: &Factor<'_>, blocks: &[Block], depth: usize) {
    unsafe { some::<Avx512Pairs>(from, blocks, depth) }
}

/// # Safety
/// As for [`Simd`] and [`task`].
#[inline(always)]
unsafe fn some<P: Pair>(from: &Factor<'_>, blocks: &[Block], depth: usize) {
    unsafe {
        match from.is_turned() {
            true => of_columns::<P>(from, blocks, depth),
            false => blocks.iter().for_each(|block| of_rows::<P>(from, block, depth)),
        }
    }
}

/// From values that lie column by column: the pairs of two columns lie side by side already.
#[inline(always)]
unsafe fn of_columns<P: Pair>(from: &Factor<'_>, blocks: &[Block], depth: usize) {
    type S<P> = <P as Operand>::Simd;
    let [_, k] = from.dims();
    unsafe {
        for pair in 0..k.div_ceil(2) {
            for block in blocks {
                let a = from.at(block.first, 2 * pair);
                let b = from.at(block.first, 2 * pair + 1);
                let to = block.to.wrapping_add(pair * block.width);
                for lane in (0..block.width).step_by(S::<P>::LANES) {
                    let wide = (block.width - lane).min(S::<P>::LANES);
                    let rows = block.rows.saturating_sub(lane).min(S::<P>::LANES);
                    let first = S::<P>::load_first(a.wrapping_add(lane), rows);
                    let second = match 2 * pair + 1 < k {
                        true => S::<P>::load_first(b.wrapping_add(lane), rows),
                        false => S::<P>::splat(0.0),
                    };
                    S::<P>::store_first(to.wrapping_add(lane), P::pair(first, second), wide);
                }
            }
        }
        for block in blocks {
            let end = k.div_ceil(2) * block.width;
            block.to.wrapping_add(end).write_bytes(0, depth / 2 * block.width - end);
        }
    }
}

/// From values that lie row by row: squares of pairs of neighbours, transposed.
#[inline(always)]
unsafe fn of_rows<P: Pair>(from: &Factor<'_>, block: &Block, depth: usize) {
    type S<P> = <P as Operand>::Simd;
    let ([_, k], lanes) = (from.dims(), S::<P>::LANES);
    let whole = k - k % (2 * lanes);
    let (mut square, mut turned) = ([0f32; 256], [0f32; 256]);
    let (square, turned) = (square.as_mut_ptr(), turned.as_mut_ptr());
    let line = |i: usize| i.min(lanes - 1) * lanes;
    let lines: [*const f32; 16] =
        std::array::from_fn(|i| square.cast_const().wrapping_add(line(i)));
    let places: [*mut f32; 16] = std::array::from_fn(|i| turned.wrapping_add(line(i)));
    for lane in (0..block.width).step_by(lanes) {
        let wide = (block.width - lane).min(lanes);
        let rows = block.rows.saturating_sub(lane).min(lanes);
        let (first, to) = (block.first + lane, block.to.wrapping_add(lane));
        // SAFETY: values lie within the matrix and the squares, places within the block.
        unsafe {
            for row in rows..lanes {
                S::<P>::store(square.add(row * lanes), S::<P>::splat(0.0));
            }
            for column in (0..whole).step_by(2 * lanes) {
                for row in 0..rows {
                    let pairs = P::neighbours(from.at(first + row, column));
                    S::<P>::store(square.add(row * lanes), pairs);
                }
                S::<P>::transpose(&lines, &places);
                for i in 0..lanes {
                    let pairs = S::<P>::load(turned.add(i * lanes));
                    let place = to.wrapping_add((column / 2 + i) * block.width);
                    S::<P>::store_first(place, pairs, wide);
                }
            }
            for pair in whole / 2..depth / 2 {
                for row in 0..wide {
                    let value = |column: usize| match row < rows && column < k {
                        true => *from.at(first + row, column),
                        false => 0.0,
                    };
                    let place = to.wrapping_add(pair * block.width + row);
                    *place = pair_of(value(2 * pair), value(2 * pair + 1));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout, value by value.
    fn right(x: &[f32], [rows, k]: [usize; 2], blocks: Blocks, depth: usize) -> Vec<u32> {
        let mut all = Vec::new();
        for i in 0..blocks.count() {
            let own = blocks.rows(i);
            let width = if let Blocks::Panels { .. } = blocks { PANEL } else { own.len() };
            for pair in 0..depth / 2 {
                for row in own.start..own.start + width {
                    let at = |c: usize| if row < rows && c < k { x[row * k + c] } else { 0.0 };
                    all.push(pair_of(at(2 * pair), at(2 * pair + 1)).to_bits());
                }
            }
        }
        all
    }

    fn check(rows: usize, k: usize, blocks: Blocks) {
        let depth = k.next_multiple_of(super::super::DEPTH);
        let x: Vec<f32> = (0..rows * k).map(|i| 1.0 + i as f32 / 77.0).collect();
        let other: Vec<f32> = (0..rows * k).map(|i| x[i % rows * k + i / rows]).collect();
        let right = right(&x, [rows, k], blocks, depth);
        let in_columns = Factor::new(&other, [k, rows]).turned();
        for from in [Factor::new(&x, [rows, k]), in_columns] {
            let mut found = vec![u32::MAX; right.len()];
            unsafe { round(&from, blocks, depth, found.as_mut_ptr(), true) }
            assert_eq!(found, right, "{rows} × {k}, turned: {}", from.is_turned());
            let mut found = vec![f32::NAN; right.len()];
            for i in 0..blocks.count() {
                let own = blocks.rows(i);
                let width = if let Blocks::Panels { .. } = blocks { PANEL } else { own.len() };
                let to = found.as_mut_ptr().wrapping_add(own.start * depth / 2);
                let block = Block { first: own.start, rows: own.len(), width, to };
                unsafe { some::<ModelPairs>(&from, &[block], depth) }
            }
            let found: Vec<u32> = found.into_iter().map(f32::to_bits).collect();
            assert_eq!(found, right, "{rows} × {k} on the model, turned: {}", from.is_turned());
        }
    }

    #[test]
    fn every_pair_finds_its_place() {
        for rows in [1, 2, 7, 8, 15, 16, 17, 24, 25, 70, 200] {
            for k in [1, 2, 7, 8, 31, 32, 33, 64, 70, 97] {
                check(rows, k, Blocks::Panels { rows });
                check(rows, k, Blocks::Even { rows, count: 1 });
                check(rows, k, Blocks::Even { rows, count: rows.div_ceil(8) });
            }
        }
    }
}
