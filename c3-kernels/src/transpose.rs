//! Matrices turned over.

use rayon::prelude::*;

use crate::Level;
use crate::shared::Shared;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// Rows and columns of a task's part: both its copies stay in the L1 cache.
const PART: usize = 64;

/// The transpose of `x`, `[rows, columns]`: `[columns, rows]`.
pub(crate) fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    assert_eq!(x.len(), rows * columns, "a matrix has as many values as its shape");
    let mut out = vec![0f32; x.len()];
    let (level, to) = (Level::detect(), Shared(out.as_mut_ptr()));
    let strip = |i: usize| {
        let first = i * PART;
        for column in (0..columns).step_by(PART) {
            let rows_of = first..rows.min(first + PART);
            let columns_of = column..columns.min(column + PART);
            // SAFETY: the level is available; strips write columns of their own.
            unsafe { part(level, x, [rows, columns], rows_of, columns_of, to) }
        }
    };
    match x.len() >= WORTH_THREADS {
        true => (0..rows.div_ceil(PART)).into_par_iter().for_each(strip),
        false => (0..rows.div_ceil(PART)).for_each(strip),
    }
    out
}

type Range = std::ops::Range<usize>;

/// # Safety
/// The machine must have the level; the ranges must lie within the shape.
unsafe fn part(
    level: Level,
    x: &[f32],
    shape: [usize; 2],
    rows: Range,
    columns: Range,
    to: Shared,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => part_avx512(x, shape, rows, columns, to),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => part_avx2(x, shape, rows, columns, to),
            _ => squares::<Portable>(x, shape, rows, columns, to),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn part_avx512(x: &[f32], shape: [usize; 2], rows: Range, columns: Range, to: Shared) {
    unsafe { squares::<Avx512>(x, shape, rows, columns, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn part_avx2(x: &[f32], shape: [usize; 2], rows: Range, columns: Range, to: Shared) {
    unsafe { squares::<Avx2>(x, shape, rows, columns, to) }
}

#[inline(always)]
unsafe fn squares<S: Simd>(
    x: &[f32],
    [height, width]: [usize; 2],
    rows: Range,
    columns: Range,
    to: Shared,
) {
    let from = x.as_ptr();
    for row in rows.clone().step_by(S::LANES) {
        for column in columns.clone().step_by(S::LANES) {
            let whole = row + S::LANES <= rows.end && column + S::LANES <= columns.end;
            if whole {
                let within = |i: usize| i.min(S::LANES - 1);
                let lines: [*const f32; 16] =
                    std::array::from_fn(|i| from.wrapping_add((row + within(i)) * width + column));
                let places: [*mut f32; 16] =
                    std::array::from_fn(|i| to.at((column + within(i)) * height + row));
                // SAFETY: the square lies within both matrices.
                unsafe { S::transpose(&lines, &places) }
                continue;
            }
            for r in row..rows.end.min(row + S::LANES) {
                for c in column..columns.end.min(column + S::LANES) {
                    // SAFETY: within both matrices.
                    unsafe { *to.at(c * height + r) = x[r * width + c] }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_finds_its_place() {
        let shapes = [(0, 3), (1, 1), (1, 70), (33, 17), (64, 64), (100, 15), (300, 500)];
        for (rows, columns) in shapes {
            let x: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let check = |found: &[f32]| {
                for r in 0..rows {
                    for c in 0..columns {
                        assert_eq!(found[c * rows + r], x[r * columns + c], "{rows} {columns}");
                    }
                }
            };
            check(&transposed(&x, rows, columns));
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let mut out = vec![0f32; x.len()];
                let to = Shared(out.as_mut_ptr());
                unsafe { part(level, &x, [rows, columns], 0..rows, 0..columns, to) }
                check(&out);
            }
        }
    }
}
