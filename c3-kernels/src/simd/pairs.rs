//! Pairs of bf16, made of f32 on the way to a product.

use super::{Operand, Simd};

/// An [`Operand`] of two bf16 in the place of one f32: the first in the low half.
///
/// # Safety
/// As for [`Simd`].
pub(crate) trait Pair: Operand {
    /// Both rounded to bf16, the nearest and of two the even one: lane by lane a pair.
    unsafe fn pair(
        a: <Self::Simd as Simd>::V,
        b: <Self::Simd as Simd>::V,
    ) -> <Self::Simd as Simd>::V;
    /// Pairs of neighbours: of `2 · LANES` numbers.
    unsafe fn neighbours(from: *const f32) -> <Self::Simd as Simd>::V;
}

/// The bits of a number rounded to bf16, to the nearest and of two to the even one; as
/// [`half::bf16::from_f32`], but without a branch.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // A NaN must stay one: rounding up could carry it away.
    let kept = if x.is_nan() { bits | 0x40_0000 } else { rounded };
    kept >> 16
}

/// Two numbers as a pair.
#[inline(always)]
pub(crate) fn pair_of(a: f32, b: f32) -> f32 {
    f32::from_bits(bf16_bits(a) | bf16_bits(b) << 16)
}

/// Pairs of rows: `[rows, columns]` to `[⌈rows / 2⌉, columns]`, an odd last row with zeros.
///
/// `from` has `step` numbers from one row to the next. With `step` equal to `columns`, a multiple of
/// `LANES`, it may be done in place.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
unsafe fn pair_rows<P: Pair>(
    from: *const f32,
    step: usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
) {
    type S<P> = <P as Operand>::Simd;
    unsafe {
        for row in (0..rows).step_by(2) {
            let (from, to) = (from.add(row * step), to.add(row / 2 * columns));
            for column in (0..columns).step_by(S::<P>::LANES) {
                let n = (columns - column).min(S::<P>::LANES);
                let a = S::<P>::load_first(from.add(column), n);
                let b = match row + 1 < rows {
                    true => S::<P>::load_first(from.add(step + column), n),
                    false => S::<P>::splat(0.0),
                };
                S::<P>::store_first(to.add(column), P::pair(a, b), n);
            }
        }
    }
}

/// Pairs of neighbours: `columns` numbers to `⌈columns / 2⌉`, an odd last one with zero.
///
/// # Safety
/// As for [`Simd`].
#[inline(always)]
unsafe fn pair_columns<P: Pair>(from: *const f32, columns: usize, to: *mut f32) {
    let lanes = P::Simd::LANES;
    let whole = columns - columns % (2 * lanes);
    unsafe {
        for column in (0..whole).step_by(2 * lanes) {
            P::Simd::store(to.add(column / 2), P::neighbours(from.add(column)));
        }
        for column in (whole..columns).step_by(2) {
            let second = if column + 1 < columns { *from.add(column + 1) } else { 0.0 };
            *to.add(column / 2) = pair_of(*from.add(column), second);
        }
    }
}

/// AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512Pairs;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::{Avx512, Operand};
    use super::{Avx512Pairs, Pair, pair_columns, pair_rows};

    impl Operand for Avx512Pairs {
        type Simd = Avx512;
        type Lanes = __m512bh;
        const DEPTH: usize = 2;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512bh {
            // SAFETY: both are 512 bits.
            unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(from.cast())) }
        }
        #[inline(always)]
        unsafe fn dot(sum: __m512, lanes: __m512bh, x: *const f32) -> __m512 {
            // SAFETY: both are 512 bits.
            unsafe {
                let x = _mm512_set1_epi32(x.cast::<i32>().read());
                _mm512_dpbf16_ps(sum, lanes, std::mem::transmute::<__m512i, __m512bh>(x))
            }
        }
        #[inline(always)]
        unsafe fn along_rows(
            from: *const f32,
            step: usize,
            rows: usize,
            columns: usize,
            to: *mut f32,
        ) -> (*const f32, usize) {
            unsafe { pair_rows::<Self>(from, step, rows, columns, to) }
            (to, columns)
        }
        #[inline(always)]
        unsafe fn along_columns(
            from: *const f32,
            step: usize,
            rows: usize,
            columns: usize,
            to: *mut f32,
        ) -> (*const f32, usize) {
            let width = columns.div_ceil(2);
            for row in 0..rows {
                unsafe { pair_columns::<Self>(from.add(row * step), columns, to.add(row * width)) }
            }
            (to, width)
        }
    }

    impl Pair for Avx512Pairs {
        #[inline(always)]
        unsafe fn pair(a: __m512, b: __m512) -> __m512 {
            // SAFETY: both are 256 bits.
            unsafe {
                let a = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(a));
                let b = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(b));
                let b = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(b));
                _mm512_castsi512_ps(_mm512_or_si512(_mm512_cvtepu16_epi32(a), b))
            }
        }
        #[inline(always)]
        unsafe fn neighbours(from: *const f32) -> __m512 {
            // SAFETY: both are 512 bits.
            unsafe {
                let (low, high) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16)));
                std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high, low))
            }
        }
    }
}

/// Pairs without the instructions, on every machine: what rounds where they are missing, and what
/// [`Avx512Pairs`] is tested against.
#[derive(Clone, Copy)]
pub(crate) struct ModelPairs;

mod model {
    use super::super::{Operand, Portable, Simd};
    use super::{ModelPairs, Pair, pair_columns, pair_of, pair_rows};

    impl Operand for ModelPairs {
        type Simd = Portable;
        type Lanes = [[f32; 4]; 2];
        const DEPTH: usize = 2;

        unsafe fn load(from: *const f32) -> Self::Lanes {
            unsafe { Portable::load_bf16_pairs(from.cast()) }
        }
        unsafe fn dot(sum: [f32; 4], lanes: Self::Lanes, x: *const f32) -> [f32; 4] {
            let bits = unsafe { x.cast::<u32>().read() };
            let x = [bits << 16, bits & 0xffff_0000].map(f32::from_bits);
            std::array::from_fn(|i| sum[i] + lanes[0][i] * x[0] + lanes[1][i] * x[1])
        }
        unsafe fn along_rows(
            from: *const f32,
            step: usize,
            rows: usize,
            columns: usize,
            to: *mut f32,
        ) -> (*const f32, usize) {
            unsafe { pair_rows::<Self>(from, step, rows, columns, to) }
            (to, columns)
        }
        unsafe fn along_columns(
            from: *const f32,
            step: usize,
            rows: usize,
            columns: usize,
            to: *mut f32,
        ) -> (*const f32, usize) {
            let width = columns.div_ceil(2);
            for row in 0..rows {
                unsafe { pair_columns::<Self>(from.add(row * step), columns, to.add(row * width)) }
            }
            (to, width)
        }
    }

    impl Pair for ModelPairs {
        unsafe fn pair(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
            std::array::from_fn(|i| pair_of(a[i], b[i]))
        }
        unsafe fn neighbours(from: *const f32) -> [f32; 4] {
            std::array::from_fn(|i| unsafe { pair_of(*from.add(2 * i), *from.add(2 * i + 1)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn rounds_as_half_does() {
        for high in 0..=u16::MAX {
            for low in [0u16, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(high) << 16 | u32::from(low));
                assert_eq!(bf16_bits(x), u32::from(bf16::from_f32(x).to_bits()), "{x:e}");
            }
        }
    }

    fn check<P: Pair>(rows: usize, columns: usize) {
        let from: Vec<f32> = (0..rows * columns).map(|i| 1.0 + i as f32 / 77.0).collect();
        let at = |r: usize, c: usize| {
            if r < rows && c < columns { from[r * columns + c] } else { 0.0 }
        };
        let mut found = vec![0f32; rows.div_ceil(2) * columns];
        unsafe { pair_rows::<P>(from.as_ptr(), columns, rows, columns, found.as_mut_ptr()) }
        for (i, found) in found.iter().enumerate() {
            let (r, c) = (i / columns * 2, i % columns);
            assert_eq!(found.to_bits(), pair_of(at(r, c), at(r + 1, c)).to_bits());
        }
        let mut found = vec![0f32; columns.div_ceil(2)];
        unsafe { pair_columns::<P>(from.as_ptr(), columns, found.as_mut_ptr()) }
        for (i, found) in found.iter().enumerate() {
            assert_eq!(found.to_bits(), pair_of(at(0, 2 * i), at(0, 2 * i + 1)).to_bits());
        }
    }

    #[test]
    fn pairs_of_rows_and_of_columns() {
        for rows in 1..6 {
            for columns in (1..70).chain([128]) {
                check::<ModelPairs>(rows, columns);
                #[cfg(target_arch = "x86_64")]
                if crate::Unit::Bf16Pairs.is_available() {
                    check::<Avx512Pairs>(rows, columns);
                }
            }
        }
    }
}
