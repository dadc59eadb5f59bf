//! `2^x` of a vector.

use std::f32::consts::LN_2;

use super::Simd;

/// Below this, `2^x` is no normal f32 and counts as zero.
const LOWEST: f32 = -126.0;

/// Adding `1.5 · 2²³` leaves the nearest integer in the low bits of an f32.
const ROUND: f32 = 12_582_912.0;

/// `2^x` for `x ≤ 127`, zero below −126 (and at −∞), NaN for NaN.
///
/// `2^x = 2^n · 2^r` with `n` the nearest integer and `r` exact; `2^r` is the polynomial of
/// Cephes' `exp2f`. The relative error is below 2e-7 (tested), about two units in the last place.
#[inline(always)]
pub(crate) unsafe fn exp2<S: Simd>(x: S::V) -> S::V {
    unsafe {
        let lowest = S::splat(LOWEST);
        // In this order a NaN in x survives.
        let clamped = S::max(lowest, x);
        let rounded = S::add(clamped, S::splat(ROUND));
        let r = S::sub(clamped, S::sub(rounded, S::splat(ROUND)));
        let mut p = S::splat(1.535_336_2e-4);
        for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_4e-2, 0.240_226_48, LN_2, 1.0] {
            p = S::mul_add(p, r, S::splat(c));
        }
        let y = S::add_exponent(p, rounded);
        S::select_lt(x, lowest, S::splat(0.0), y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    #[test]
    fn error_is_below_two_in_ten_million() {
        let mut worst = 0f64;
        for step in 0..2_000_000 {
            let x = -126.0 + 127.0 * step as f32 / 2_000_000.0;
            let y = unsafe { exp2::<Portable>([x; 4]) }[0];
            let right = f64::from(x).exp2();
            worst = worst.max((f64::from(y) - right).abs() / right);
        }
        assert!(worst < 2e-7, "relative error {worst:e}");
    }

    #[test]
    fn ends_of_the_range() {
        let y = unsafe { exp2::<Portable>([0.0, f32::NEG_INFINITY, -126.5, f32::NAN]) };
        assert_eq!(y[..3], [1.0, 0.0, 0.0]);
        assert!(y[3].is_nan());
    }
}
