//! The kernel for few rows: lanes are elements of k, each weight is read and widened once.

use std::ops::Range;

use super::Job;
use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Element, Portable, Simd};

/// The most rows for which this kernel is the faster one: about half a vector of them.
pub(super) fn max_rows(level: Level) -> usize {
    match level {
        Level::Avx512 | Level::Avx2 => 8,
        _ => 2,
    }
}

/// Computes some columns of the result; there are `max_rows` rows at most.
///
/// # Safety
/// The machine must have the level; `columns` must lie within the job's n, and be nobody else's.
pub(super) unsafe fn skinny<E: Element>(level: Level, job: &Job<'_, E>, columns: Range<usize>) {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512(job, columns),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(job, columns),
            _ => portable(job, columns),
        }
    }
}

/// Picks the tile by the number of rows: as many weight rows as leave all sums in registers.
macro_rules! by_rows {
    ($simd:ty, $job:expr, $columns:expr, $($rows:literal => $tile:literal),+) => {
        match $job.rows {
            $($rows => task::<$simd, E, $rows, $tile>($job, $columns),)+
            _ => {}
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<E: Element>(s: &Job<'_, E>, columns: Range<usize>) {
    unsafe {
        by_rows!(Avx512, s, columns, 1 => 8, 2 => 8, 3 => 6, 4 => 6, 5 => 4, 6 => 4, 7 => 3, 8 => 3)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<E: Element>(s: &Job<'_, E>, columns: Range<usize>) {
    unsafe {
        by_rows!(Avx2, s, columns, 1 => 8, 2 => 4, 3 => 3, 4 => 2, 5 => 2, 6 => 2, 7 => 1, 8 => 1)
    }
}

unsafe fn portable<E: Element>(s: &Job<'_, E>, columns: Range<usize>) {
    unsafe { by_rows!(Portable, s, columns, 1 => 4, 2 => 4) }
}

#[inline(always)]
unsafe fn task<S: Simd, E: Element, const R: usize, const C: usize>(
    job: &Job<'_, E>,
    columns: Range<usize>,
) {
    unsafe {
        let whole = columns.end - columns.len() % C;
        for column in (columns.start..whole).step_by(C) {
            tile::<S, E, R, C>(job, column);
        }
        for column in whole..columns.end {
            tile::<S, E, R, 1>(job, column);
        }
    }
}

/// All `R` rows against `C` rows of the weights.
#[inline(always)]
unsafe fn tile<S: Simd, E: Element, const R: usize, const C: usize>(s: &Job<'_, E>, column: usize) {
    let k = s.k;
    unsafe {
        let mut sums = [[S::splat(0.0); R]; C];
        let (x, w) = (s.x.as_ptr(), s.w.as_ptr().add(column * k));
        let whole = k - k % S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            let x = S::load_each::<R>(x.add(i), k);
            for (c, sums) in sums.iter_mut().enumerate() {
                let w = E::load::<S>(w.add(c * k + i));
                for r in 0..R {
                    sums[r] = S::mul_add(w, x[r], sums[r]);
                }
            }
        }
        if whole < k {
            let mut rest = [S::splat(0.0); R];
            for (r, rest) in rest.iter_mut().enumerate() {
                *rest = S::load_first(x.add(r * k + whole), k - whole);
            }
            for (c, sums) in sums.iter_mut().enumerate() {
                let w = E::load_first::<S>(w.add(c * k + whole), k - whole);
                for r in 0..R {
                    sums[r] = S::mul_add(w, rest[r], sums[r]);
                }
            }
        }
        for (c, sums) in sums.iter().enumerate() {
            let bias = s.bias.map_or(0.0, |bias| bias[column + c]);
            for (r, &sum) in sums.iter().enumerate() {
                *s.out.at(r * s.n + column + c) = S::sum(sum) + bias;
            }
        }
    }
}
