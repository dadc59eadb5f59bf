//! Sixteen lanes on x86-64: AVX-512 with VNNI, and AVX2.

use std::arch::x86_64::*;

use super::lanes::Lanes;

/// AVX-512F with VNNI.
pub(super) struct VnniLanes;

impl Lanes for VnniLanes {
    type W = __m512i;
    type I = __m512i;
    type F = __m512;
    const ROWS: usize = 8;
    const SIGNED: bool = false;

    #[inline(always)]
    unsafe fn weights(at: *const u8) -> Self::W {
        unsafe { _mm512_loadu_si512(at.cast()) }
    }
    #[inline(always)]
    unsafe fn ints(x: i32) -> Self::I {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn dot<const WIDE: bool>(sum: Self::I, w: Self::W, x: *const i8) -> Self::I {
        unsafe { _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn floats(x: f32) -> Self::F {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn scaled(acc: Self::F, sum: Self::I, scale: Self::F, d: f32) -> Self::F {
        unsafe {
            let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
            _mm512_fmadd_ps(sum, _mm512_set1_ps(d), acc)
        }
    }
    #[inline(always)]
    unsafe fn minus(acc: Self::F, min: Self::F, s: f32) -> Self::F {
        unsafe { _mm512_fnmadd_ps(min, _mm512_set1_ps(s), acc) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::F) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
}

/// AVX2 with FMA: two vectors of eight lanes.
pub(super) struct Avx2Lanes;

impl Avx2Lanes {
    #[inline(always)]
    unsafe fn dot_eight<const WIDE: bool>(sum: __m256i, w: __m256i, x: __m256i) -> __m256i {
        unsafe {
            // Pairs are added in 16 bits: 2 · 127 · 127 fits, 2 · 255 · 127 would not. Wide weights
            // go in as |w| and x as x · sign(w), which is exact, for no x is −128.
            let pairs = if WIDE {
                let w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
                _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
            } else {
                _mm256_maddubs_epi16(w, x)
            };
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

impl Lanes for Avx2Lanes {
    type W = [__m256i; 2];
    type I = [__m256i; 2];
    type F = [__m256; 2];
    const ROWS: usize = 2;
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn weights(at: *const u8) -> Self::W {
        unsafe { [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast())] }
    }
    #[inline(always)]
    unsafe fn ints(x: i32) -> Self::I {
        unsafe { [_mm256_set1_epi32(x); 2] }
    }
    #[inline(always)]
    unsafe fn dot<const WIDE: bool>(sum: Self::I, w: Self::W, x: *const i8) -> Self::I {
        unsafe {
            let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
            [Self::dot_eight::<WIDE>(sum[0], w[0], x), Self::dot_eight::<WIDE>(sum[1], w[1], x)]
        }
    }
    #[inline(always)]
    unsafe fn floats(x: f32) -> Self::F {
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn scaled(acc: Self::F, sum: Self::I, scale: Self::F, d: f32) -> Self::F {
        unsafe {
            let d = _mm256_set1_ps(d);
            let low = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[0]), scale[0]);
            let high = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[1]), scale[1]);
            [_mm256_fmadd_ps(low, d, acc[0]), _mm256_fmadd_ps(high, d, acc[1])]
        }
    }
    #[inline(always)]
    unsafe fn minus(acc: Self::F, min: Self::F, s: f32) -> Self::F {
        unsafe {
            let s = _mm256_set1_ps(s);
            [_mm256_fnmadd_ps(min[0], s, acc[0]), _mm256_fnmadd_ps(min[1], s, acc[1])]
        }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::F) {
        unsafe {
            _mm256_storeu_ps(to, v[0]);
            _mm256_storeu_ps(to.add(8), v[1]);
        }
    }
}
