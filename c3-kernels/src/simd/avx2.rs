//! Eight lanes: AVX2, FMA, F16C.

use std::arch::x86_64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// All ones in the first `n` of eight lanes.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    unsafe {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes)
    }
}

#[inline(always)]
unsafe fn halves(v: __m256) -> (__m128, __m128) {
    unsafe { (_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)) }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V {
        unsafe { _mm256_maskload_ps(from, first(n)) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self::V {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self::V; 2] {
        unsafe {
            let pairs = _mm256_loadu_si256(from.cast());
            let second = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
            [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)), _mm256_castsi256_ps(second)]
        }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize) {
        unsafe { _mm256_maskstore_ps(to, first(n), v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        unsafe { _mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    }
    #[inline(always)]
    unsafe fn add_exponent(v: Self::V, shift: Self::V) -> Self::V {
        unsafe {
            let shift = _mm256_slli_epi32::<23>(_mm256_castps_si256(shift));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), shift))
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: &[*const f32; 16], to: &[*mut f32; 16]) {
        unsafe {
            // Squares of 4 × 4 in each half, then the halves.
            let mut r = [_mm256_setzero_ps(); 8];
            for (i, r) in r.iter_mut().enumerate() {
                let (row, column) = (i % 4, i / 4 * 4);
                let low = _mm_loadu_ps(from[row].add(column));
                let high = _mm_loadu_ps(from[row + 4].add(column));
                *r = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
            }
            for half in [0, 4] {
                let a = _mm256_unpacklo_ps(r[half], r[half + 1]);
                let b = _mm256_unpackhi_ps(r[half], r[half + 1]);
                let c = _mm256_unpacklo_ps(r[half + 2], r[half + 3]);
                let d = _mm256_unpackhi_ps(r[half + 2], r[half + 3]);
                _mm256_storeu_ps(to[half], _mm256_shuffle_ps::<0x44>(a, c));
                _mm256_storeu_ps(to[half + 1], _mm256_shuffle_ps::<0xee>(a, c));
                _mm256_storeu_ps(to[half + 2], _mm256_shuffle_ps::<0x44>(b, d));
                _mm256_storeu_ps(to[half + 3], _mm256_shuffle_ps::<0xee>(b, d));
            }
        }
    }
    #[inline(always)]
    fn prefetch(at: *const f32) {
        // SAFETY: a hint, which never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        unsafe {
            let (low, high) = halves(v);
            let four = _mm_add_ps(low, high);
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn largest(v: Self::V) -> f32 {
        unsafe {
            let (low, high) = halves(v);
            let four = _mm_max_ps(low, high);
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }
}
