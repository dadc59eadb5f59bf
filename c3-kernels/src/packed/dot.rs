//! How a vector of columns takes a pair of elements of k.

use std::marker::PhantomData;

use crate::simd::{Simd, bf16_bits};

/// A unit's vectors of columns.
///
/// # Safety
/// As for [`Simd`].
pub(super) trait Dot {
    type Simd: Simd;
    /// Two elements of a row of x, as packed.
    type Pair: Copy + Send + Sync;
    /// A vector of columns of one pair of k.
    type Weights: Copy;

    /// Two elements of x as they are packed; with `round`, rounded to bf16, which units of bf16 do
    /// always.
    fn pair(a: f32, b: f32, round: bool) -> Self::Pair;
    unsafe fn weights(from: *const u16) -> Self::Weights;
    /// `sum + w₀ x₀ + w₁ x₁` in every column.
    unsafe fn dot(
        sum: <Self::Simd as Simd>::V,
        weights: Self::Weights,
        x: *const Self::Pair,
    ) -> <Self::Simd as Simd>::V;
}

/// Weights widened to f32 as they are read.
pub(super) struct Widened<S>(PhantomData<S>);

impl<S: Simd> Dot for Widened<S> {
    type Simd = S;
    type Pair = [f32; 2];
    type Weights = [S::V; 2];

    #[inline(always)]
    fn pair(a: f32, b: f32, round: bool) -> Self::Pair {
        match round {
            true => [a, b].map(|x| f32::from_bits(bf16_bits(x) << 16)),
            false => [a, b],
        }
    }
    #[inline(always)]
    unsafe fn weights(from: *const u16) -> Self::Weights {
        unsafe { S::load_bf16_pairs(from) }
    }
    #[inline(always)]
    unsafe fn dot(sum: S::V, weights: Self::Weights, x: *const Self::Pair) -> S::V {
        unsafe {
            let sum = S::mul_add(weights[0], S::splat((*x)[0]), sum);
            S::mul_add(weights[1], S::splat((*x)[1]), sum)
        }
    }
}

/// AVX512-BF16.
#[cfg(target_arch = "x86_64")]
pub(super) struct Pairs;

#[cfg(target_arch = "x86_64")]
impl Dot for Pairs {
    type Simd = crate::simd::Avx512;
    type Pair = u32;
    type Weights = std::arch::x86_64::__m512bh;

    #[inline(always)]
    fn pair(a: f32, b: f32, _: bool) -> Self::Pair {
        bf16_bits(a) | bf16_bits(b) << 16
    }
    #[inline(always)]
    unsafe fn weights(from: *const u16) -> Self::Weights {
        use std::arch::x86_64::{__m512i, _mm512_loadu_si512};
        // SAFETY: both are 512 bits.
        unsafe { std::mem::transmute::<__m512i, Self::Weights>(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn dot(
        sum: std::arch::x86_64::__m512,
        weights: Self::Weights,
        x: *const Self::Pair,
    ) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{__m512i, _mm512_dpbf16_ps, _mm512_set1_epi32};
        // SAFETY: both are 512 bits.
        unsafe {
            let x = std::mem::transmute::<__m512i, Self::Weights>(_mm512_set1_epi32(*x as i32));
            _mm512_dpbf16_ps(sum, weights, x)
        }
    }
}
