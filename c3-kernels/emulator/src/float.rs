//! Rounding of floats as PTX asks for it: every format in every direction.
//!
//! Sums and products that f64 can't hold are *rounded to odd* first: if anything is cut off, the last
//! bit is set. Such a value rounds to a format that is at least two bits shorter as the exact one
//! would (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
//! rounding to odd", 2008).

use half::{bf16, f16};

use crate::types::Type;

/// Where a value that a format doesn't have goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Rounding {
    /// To the nearest, ties to even.
    #[default]
    Nearest,
    /// To the nearest, ties away from zero.
    NearestAway,
    /// Towards zero.
    Zero,
    /// Towards −∞.
    Down,
    /// Towards +∞.
    Up,
}

impl Rounding {
    /// `x` without its fraction.
    pub(crate) fn integral(self, x: f64) -> f64 {
        match self {
            Self::Nearest => x.round_ties_even(),
            Self::NearestAway => x.round(),
            Self::Zero => x.trunc(),
            Self::Down => x.floor(),
            Self::Up => x.ceil(),
        }
    }
}

/// The value of a float's bits.
pub(crate) fn widen(ty: Type, bits: u64) -> f64 {
    match ty {
        Type::F16 => f16::from_bits(bits as u16).to_f64(),
        Type::Bf16 => bf16::from_bits(bits as u16).to_f64(),
        Type::F32 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

/// A value's bits in a format. Every NaN becomes the canonical one, as on the hardware.
pub(crate) fn narrow(ty: Type, x: f64, rounding: Rounding) -> u64 {
    let (fraction, exponent) = match ty {
        Type::F16 => (10, 5),
        Type::Bf16 => (7, 8),
        Type::F32 if rounding == Rounding::Nearest && !x.is_nan() => {
            return u64::from((x as f32).to_bits());
        }
        Type::F32 => (23, 8),
        _ => return x.to_bits(),
    };
    let sign = u64::from(x.is_sign_negative()) << (fraction + exponent);
    let infinity = low(exponent) << fraction;
    if x.is_nan() {
        return low(fraction + exponent);
    }
    if x.is_infinite() {
        return sign | infinity;
    }
    sign | magnitude(x, fraction, exponent, rounding)
}

/// The lowest `bits` bits set.
fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

fn magnitude(x: f64, fraction: u32, exponent: u32, rounding: Rounding) -> u64 {
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    // |x| = significand · 2^(scale − 52)
    let (significand, scale) = match biased {
        0 => (bits & low(52), -1022),
        _ => (bits & low(52) | 1 << 52, biased - 1023),
    };
    let lowest = 2 - (1 << (exponent - 1));
    // Bits cut off: those the fraction has no room for, and more below the smallest normal number.
    let cut = (52 - fraction as i32 + (lowest - scale).max(0)).min(63) as u32;
    let (kept, rest) = (significand >> cut, significand & low(cut));
    let tie = 1u64 << (cut - 1);
    let up = match rounding {
        Rounding::Nearest => rest > tie || rest == tie && kept & 1 == 1,
        Rounding::NearestAway => rest >= tie,
        Rounding::Zero => false,
        Rounding::Down => rest != 0 && x.is_sign_negative(),
        Rounding::Up => rest != 0 && x.is_sign_positive(),
    };
    // A carry out of the fraction goes into the exponent, which is right.
    let above = (scale - lowest).max(0) as u64;
    let result = (above << fraction) + kept + u64::from(up);
    let infinity = low(exponent) << fraction;
    match result >= infinity {
        false => result,
        // Beyond the largest number: rounding away from it never happens towards zero.
        true => match rounding {
            Rounding::Zero => infinity - 1,
            Rounding::Down if x.is_sign_positive() => infinity - 1,
            Rounding::Up if x.is_sign_negative() => infinity - 1,
            _ => infinity,
        },
    }
}

/// An f64 and what its rounding to the nearest lost, of which at least the sign is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inexact {
    nearest: f64,
    error: f64,
}

impl Inexact {
    pub(crate) fn add(a: f64, b: f64) -> Self {
        let nearest = a + b;
        // Knuth's two-sum: nearest + error is exact.
        let virtual_b = nearest - a;
        Self { nearest, error: (a - (nearest - virtual_b)) + (b - virtual_b) }
    }

    pub(crate) fn mul(a: f64, b: f64) -> Self {
        Self { nearest: a * b, error: a.mul_add(b, -(a * b)) }
    }

    pub(crate) fn div(a: f64, b: f64) -> Self {
        let nearest = a / b;
        // The remainder's sign tells on which side of the exact quotient it lies.
        let remainder = (-nearest).mul_add(b, a);
        Self { nearest, error: if b < 0.0 { -remainder } else { remainder } }
    }

    pub(crate) fn sqrt(x: f64) -> Self {
        let nearest = x.sqrt();
        Self { nearest, error: (-nearest).mul_add(nearest, x) }
    }

    /// Whether the exact value lies nearer to zero.
    fn is_too_large(self) -> bool {
        (self.error < 0.0) != self.nearest.is_sign_negative()
    }

    fn is_exact(self) -> bool {
        self.error == 0.0 || self.error.is_nan() || !self.nearest.is_finite()
    }

    /// Rounded to odd.
    pub(crate) fn odd(self) -> f64 {
        let bits = self.nearest.to_bits();
        match self.is_exact() || bits & 1 == 1 || self.nearest == 0.0 {
            true => self.nearest,
            false if self.is_too_large() => f64::from_bits(bits - 1),
            false => f64::from_bits(bits + 1),
        }
    }

    /// Rounded in a direction. (Beyond the largest number it is infinite in all of them.)
    pub(crate) fn towards(self, rounding: Rounding) -> f64 {
        let Self { nearest, error } = self;
        match rounding {
            _ if self.is_exact() => nearest,
            Rounding::Down if error < 0.0 => nearest.next_down(),
            Rounding::Up if error > 0.0 => nearest.next_up(),
            Rounding::Zero if self.is_too_large() => match nearest > 0.0 {
                true => nearest.next_down(),
                false => nearest.next_up(),
            },
            _ => nearest,
        }
    }
}

/// `a · b + c` of numbers with at most 24 bits each, rounded to odd.
pub(crate) fn fma_odd(a: f64, b: f64, c: f64) -> f64 {
    Inexact::add(a * b, c).odd()
}

/// An integer as f64, rounded to odd.
pub(crate) fn integer_odd(x: i128) -> f64 {
    let nearest = x as f64;
    Inexact { nearest, error: (x - nearest as i128) as f64 }.odd()
}
