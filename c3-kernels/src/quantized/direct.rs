//! The kernels for few rows of x: weights go from memory straight into products.
//!
//! One row of weights at a time meets all rows of x, so each byte of the weights is read once, in
//! order. Vectors are of 256 bits: it is memory that these kernels wait for. They are written once
//! for two ways to multiply bytes, [`Vnni`] and [`Maddubs`].

use std::arch::x86_64::*;

use super::activations::Row;
use super::unpack::six_bits;

/// Products of bytes, summed by fours.
///
/// # Safety
/// May be called only where the instructions are.
pub(super) trait Bytes {
    /// Four products for each of eight lanes; no `w` may pass 128, where x is no −128.
    unsafe fn dot(w: __m256i, x: __m256i) -> __m256i;
}

/// AVX-512VL with VNNI.
pub(super) struct Vnni;

impl Bytes for Vnni {
    #[inline(always)]
    unsafe fn dot(w: __m256i, x: __m256i) -> __m256i {
        unsafe { _mm256_dpbusd_epi32(_mm256_setzero_si256(), w, x) }
    }
}

/// AVX2.
pub(super) struct Maddubs;

impl Bytes for Maddubs {
    #[inline(always)]
    unsafe fn dot(w: __m256i, x: __m256i) -> __m256i {
        unsafe { _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)) }
    }
}

/// One type's product of a row of weights with `M` rows of x.
///
/// # Safety
/// `w` must be a row of blocks as long as the rows of x; the instructions must be there.
pub(super) trait Direct {
    unsafe fn dot<B: Bytes, const M: usize>(w: &[u8], x: &[Row; M]) -> [f32; M];
}

#[inline(always)]
unsafe fn half(at: *const u8) -> f32 {
    unsafe {
        let bits = i32::from(at.cast::<u16>().read_unaligned());
        _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)))
    }
}

#[inline(always)]
unsafe fn load(at: *const u8) -> __m256i {
    unsafe { _mm256_loadu_si256(at.cast()) }
}

#[inline(always)]
unsafe fn sum(v: __m256) -> f32 {
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// `acc + v · by`
#[inline(always)]
unsafe fn add_scaled(acc: __m256, v: __m256i, by: f32) -> __m256 {
    unsafe { _mm256_fmadd_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(by), acc) }
}

/// A type whose blocks are 32 weights around zero and one scale.
///
/// # Safety
/// As for [`Direct`].
pub(super) trait Around0 {
    const BYTES: usize;
    /// The 32 weights as signed bytes; the scale is the block's first two bytes.
    unsafe fn weights(block: *const u8) -> __m256i;
}

pub(super) struct Q8_0;
impl Around0 for Q8_0 {
    const BYTES: usize = 34;

    #[inline(always)]
    unsafe fn weights(block: *const u8) -> __m256i {
        unsafe { load(block.add(2)) }
    }
}

/// The lower halves of 16 bytes, then the upper ones.
#[inline(always)]
unsafe fn nibbles(packed: *const u8) -> __m256i {
    unsafe {
        let packed = _mm_loadu_si128(packed.cast());
        let both = _mm256_set_m128i(_mm_srli_epi16::<4>(packed), packed);
        _mm256_and_si256(both, _mm256_set1_epi8(15))
    }
}

pub(super) struct Q4_0;
impl Around0 for Q4_0 {
    const BYTES: usize = 18;

    #[inline(always)]
    unsafe fn weights(block: *const u8) -> __m256i {
        unsafe { _mm256_sub_epi8(nibbles(block.add(2)), _mm256_set1_epi8(8)) }
    }
}

pub(super) struct Q5_0;
impl Around0 for Q5_0 {
    const BYTES: usize = 22;

    #[inline(always)]
    unsafe fn weights(block: *const u8) -> __m256i {
        unsafe {
            // Byte i / 8 of the fifth bits to byte i, and of it bit i % 8.
            let bits = _mm256_set1_epi32(block.add(2).cast::<i32>().read_unaligned());
            let which = _mm256_setr_epi64x(
                0,
                0x0101_0101_0101_0101,
                0x0202_0202_0202_0202,
                0x0303_0303_0303_0303,
            );
            let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
            let bits = _mm256_and_si256(_mm256_shuffle_epi8(bits, which), bit);
            // Where the fifth bit is missing, its 16 are taken off.
            let missing = _mm256_cmpeq_epi8(bits, _mm256_setzero_si256());
            let sixteen = _mm256_and_si256(missing, _mm256_set1_epi8(16));
            _mm256_sub_epi8(nibbles(block.add(6)), sixteen)
        }
    }
}

/// The product with blocks of such a type.
pub(super) struct Symmetric<T>(std::marker::PhantomData<T>);

impl<T: Around0> Symmetric<T> {
    #[inline(always)]
    unsafe fn block<B: Bytes, const M: usize>(
        w: *const u8,
        b: usize,
        x: &[Row; M],
        acc: &mut [__m256; M],
    ) {
        unsafe {
            let block = w.add(T::BYTES * b);
            let (scale, w) = (half(block), T::weights(block));
            // |w| · (x · sign(w)) is exact, for no x is −128.
            let size = _mm256_abs_epi8(w);
            for m in 0..M {
                let q = load(x[m].q.as_ptr().add(32 * b).cast());
                let products = B::dot(size, _mm256_sign_epi8(q, w));
                acc[m] = add_scaled(acc[m], products, scale * x[m].scales.get_unchecked(b));
            }
        }
    }
}

impl<T: Around0> Direct for Symmetric<T> {
    #[inline(always)]
    unsafe fn dot<B: Bytes, const M: usize>(w: &[u8], x: &[Row; M]) -> [f32; M] {
        unsafe {
            let (blocks, w) = (w.len() / T::BYTES, w.as_ptr());
            // Even and odd blocks apart, so that one sum needn't wait for the other.
            let (mut even, mut odd) = ([_mm256_setzero_ps(); M], [_mm256_setzero_ps(); M]);
            for b in (0..blocks - blocks % 2).step_by(2) {
                Self::block::<B, M>(w, b, x, &mut even);
                Self::block::<B, M>(w, b + 1, x, &mut odd);
            }
            if blocks % 2 == 1 {
                Self::block::<B, M>(w, blocks - 1, x, &mut even);
            }
            let mut out = [0.0; M];
            for m in 0..M {
                out[m] = sum(_mm256_add_ps(even[m], odd[m]));
            }
            out
        }
    }
}

/// The lower 16 bits of each lane times those of `by`: products of four 6-bit weights with 8-bit
/// values fit in 16 bits, and this is one instruction where a whole product is two.
#[inline(always)]
unsafe fn times_scale(products: __m256i, by: __m256i) -> __m256i {
    unsafe { _mm256_madd_epi16(products, by) }
}

/// `Q4K`, and `Q5K` where `FIVE`.
pub(super) struct FourOrFive<const FIVE: bool>;

impl<const FIVE: bool> Direct for FourOrFive<FIVE> {
    #[inline(always)]
    unsafe fn dot<B: Bytes, const M: usize>(w: &[u8], x: &[Row; M]) -> [f32; M] {
        unsafe {
            let bytes = if FIVE { 176 } else { 144 };
            let four_bits = _mm256_set1_epi8(15);
            let (mut acc, mut less) = ([_mm256_setzero_ps(); M], [_mm256_setzero_ps(); M]);
            for b in 0..w.len() / bytes {
                let block = w.as_ptr().add(bytes * b);
                let (d, min) = (half(block), half(block.add(2)));
                let [scales, mins] = six_bits(std::slice::from_raw_parts(block.add(4), 12));
                let mut by = [0i32; 8];
                let spread = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(scales as i64));
                _mm256_storeu_si256(by.as_mut_ptr().cast(), spread);
                let mins = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(mins as i64));
                let mut high = load(block.add(16)); // of Q5K
                let packed = block.add(if FIVE { 48 } else { 16 });
                let mut sums = [[_mm256_setzero_si256(); 2]; M];
                for part in 0..4 {
                    let both = load(packed.add(32 * part));
                    let mut low = _mm256_and_si256(both, four_bits);
                    let mut upper = _mm256_and_si256(_mm256_srli_epi16::<4>(both), four_bits);
                    if FIVE {
                        let bit = _mm256_set1_epi8(16);
                        let left = _mm256_slli_epi16::<4>(high);
                        low = _mm256_or_si256(low, _mm256_and_si256(left, bit));
                        let left = _mm256_slli_epi16::<3>(high);
                        upper = _mm256_or_si256(upper, _mm256_and_si256(left, bit));
                        high = _mm256_srli_epi16::<2>(high);
                    }
                    let scales = [by[2 * part], by[2 * part + 1]];
                    let scales = [_mm256_set1_epi32(scales[0]), _mm256_set1_epi32(scales[1])];
                    for m in 0..M {
                        let q = x[m].q.as_ptr().add(256 * b + 64 * part).cast::<u8>();
                        let a = times_scale(B::dot(low, load(q)), scales[0]);
                        let c = times_scale(B::dot(upper, load(q.add(32))), scales[1]);
                        sums[m][0] = _mm256_add_epi32(sums[m][0], a);
                        sums[m][1] = _mm256_add_epi32(sums[m][1], c);
                    }
                }
                for m in 0..M {
                    let of_x = *x[m].scales.get_unchecked(8 * b);
                    let all = _mm256_add_epi32(sums[m][0], sums[m][1]);
                    acc[m] = add_scaled(acc[m], all, d * of_x);
                    let q = load(x[m].sums.as_ptr().add(8 * b).cast());
                    less[m] = add_scaled(less[m], _mm256_mullo_epi32(mins, q), min * of_x);
                }
            }
            let mut out = [0.0; M];
            for m in 0..M {
                out[m] = sum(_mm256_sub_ps(acc[m], less[m]));
            }
            out
        }
    }
}

pub(super) struct Q6K;
impl Direct for Q6K {
    #[inline(always)]
    unsafe fn dot<B: Bytes, const M: usize>(w: &[u8], x: &[Row; M]) -> [f32; M] {
        unsafe {
            let (four_bits, two_bits) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
            // Lanes 4 to 7 have a scale of their own.
            let upper_half = _mm256_setr_epi32(0, 0, 0, 0, 16, 16, 16, 16);
            let low_words = _mm256_set1_epi32(0xffff);
            let mut acc = [_mm256_setzero_ps(); M];
            for b in 0..w.len() / 210 {
                let block = w.as_ptr().add(210 * b);
                let d = half(block.add(208));
                let scales = _mm_loadu_si128(block.add(192).cast());
                let mut by = [0i32; 8]; // two 16-bit scales in each
                _mm256_storeu_si256(by.as_mut_ptr().cast(), _mm256_cvtepi8_epi16(scales));
                let mut sums = [[_mm256_setzero_si256(); 2]; M];
                for part in 0..2 {
                    let low = [load(block.add(64 * part)), load(block.add(64 * part + 32))];
                    let high = load(block.add(128 + 32 * part));
                    let weights = [
                        (_mm256_and_si256(low[0], four_bits), _mm256_slli_epi16::<4>(high)),
                        (_mm256_and_si256(low[1], four_bits), _mm256_slli_epi16::<2>(high)),
                        (_mm256_and_si256(_mm256_srli_epi16::<4>(low[0]), four_bits), high),
                        (
                            _mm256_and_si256(_mm256_srli_epi16::<4>(low[1]), four_bits),
                            _mm256_srli_epi16::<2>(high),
                        ),
                    ];
                    for (i, (low, high)) in weights.into_iter().enumerate() {
                        let w = _mm256_or_si256(low, _mm256_and_si256(high, two_bits));
                        let pair = _mm256_set1_epi32(by[4 * part + i]);
                        let pair = _mm256_and_si256(_mm256_srlv_epi32(pair, upper_half), low_words);
                        for m in 0..M {
                            let q = x[m].q.as_ptr().add(256 * b + 128 * part + 32 * i);
                            let products = times_scale(B::dot(w, load(q.cast())), pair);
                            sums[m][i % 2] = _mm256_add_epi32(sums[m][i % 2], products);
                        }
                    }
                }
                let scales = [
                    _mm256_cvtepi8_epi32(scales),
                    _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(scales)),
                ];
                for m in 0..M {
                    // Weights are 32 less than what was multiplied.
                    let q = x[m].sums.as_ptr().add(16 * b).cast::<u8>();
                    let first = _mm256_mullo_epi32(scales[0], load(q));
                    let second = _mm256_mullo_epi32(scales[1], load(q.add(32)));
                    let less = _mm256_slli_epi32::<5>(_mm256_add_epi32(first, second));
                    let all = _mm256_add_epi32(sums[m][0], sums[m][1]);
                    let by = d * *x[m].scales.get_unchecked(16 * b);
                    acc[m] = add_scaled(acc[m], _mm256_sub_epi32(all, less), by);
                }
            }
            let mut out = [0.0; M];
            for m in 0..M {
                out[m] = sum(acc[m]);
            }
            out
        }
    }
}
