//! Sixteen lanes: AVX-512F.

use std::arch::x86_64::*;

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// The mask of the first `n` of sixteen lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V {
        unsafe { _mm512_maskz_loadu_ps(first(n), from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self::V {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self::V; 2] {
        unsafe {
            let pairs = _mm512_loadu_si512(from.cast());
            let second = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(second)]
        }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(n), v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), y, x) }
    }
    #[inline(always)]
    unsafe fn add_exponent(v: Self::V, shift: Self::V) -> Self::V {
        unsafe {
            let shift = _mm512_slli_epi32::<23>(_mm512_castps_si512(shift));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(v), shift))
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: &[*const f32; 16], to: &[*mut f32; 16]) {
        unsafe {
            // Quarter q of vector i holds columns 4q… of row i. First gather, for each q, the
            // quarters q of rows i, i + 4, i + 8, i + 12 in one vector; what is left is to
            // transpose squares of 4 × 4 within quarters.
            let mut quarters = [[_mm512_setzero_ps(); 4]; 4];
            for (i, quarters) in quarters.iter_mut().enumerate() {
                let (a, b) = (_mm512_loadu_ps(from[i]), _mm512_loadu_ps(from[i + 4]));
                let (c, d) = (_mm512_loadu_ps(from[i + 8]), _mm512_loadu_ps(from[i + 12]));
                let ab_even = _mm512_shuffle_f32x4::<0x88>(a, b);
                let ab_odd = _mm512_shuffle_f32x4::<0xdd>(a, b);
                let cd_even = _mm512_shuffle_f32x4::<0x88>(c, d);
                let cd_odd = _mm512_shuffle_f32x4::<0xdd>(c, d);
                quarters[0] = _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even);
                quarters[1] = _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd);
                quarters[2] = _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even);
                quarters[3] = _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd);
            }
            for q in 0..4 {
                let a = _mm512_unpacklo_ps(quarters[0][q], quarters[1][q]);
                let b = _mm512_unpackhi_ps(quarters[0][q], quarters[1][q]);
                let c = _mm512_unpacklo_ps(quarters[2][q], quarters[3][q]);
                let d = _mm512_unpackhi_ps(quarters[2][q], quarters[3][q]);
                _mm512_storeu_ps(to[4 * q], _mm512_shuffle_ps::<0x44>(a, c));
                _mm512_storeu_ps(to[4 * q + 1], _mm512_shuffle_ps::<0xee>(a, c));
                _mm512_storeu_ps(to[4 * q + 2], _mm512_shuffle_ps::<0x44>(b, d));
                _mm512_storeu_ps(to[4 * q + 3], _mm512_shuffle_ps::<0xee>(b, d));
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
        unsafe { _mm512_reduce_add_ps(v) }
    }
    #[inline(always)]
    unsafe fn largest(v: Self::V) -> f32 {
        unsafe { _mm512_reduce_max_ps(v) }
    }
}
