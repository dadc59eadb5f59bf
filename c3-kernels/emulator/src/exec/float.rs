//! Float arithmetic.

use super::warp::Warp;
use crate::float::{Inexact, Rounding, fma_odd, narrow, widen};
use crate::op::{Comparison, Float, FloatMode, Reg, Test};
use crate::types::Type;

/// The NaN that the hardware makes.
const NAN: u32 = 0x7fff_ffff;

/// `d = op(a, b, c)` for the lanes of `mask`.
pub(super) fn execute(
    warp: &mut Warp,
    mask: u32,
    (op, ty, mode): (Float, Type, FloatMode),
    d: Reg,
    abc: [Reg; 3],
) {
    let plain = mode.rounding == Rounding::Nearest && !(mode.flush || mode.saturate || mode.relu);
    if ty == Type::F32 && plain {
        let f = |x: u64| f32::from_bits(x as u32);
        match op {
            Float::Add => return warp.map(mask, d, abc, |a, b, _| bits(f(a) + f(b))),
            Float::Sub => return warp.map(mask, d, abc, |a, b, _| bits(f(a) - f(b))),
            Float::Mul => return warp.map(mask, d, abc, |a, b, _| bits(f(a) * f(b))),
            Float::Fma => return fma(warp, mask, d, abc),
            Float::Ex2 => return warp.map(mask, d, abc, |a, _, _| bits(f(a).exp2())),
            // With zeros or NaN it isn't Rust's.
            Float::Max => {
                return warp.map(mask, d, abc, |a, b, c| match f(a) > f(b) || f(a) < f(b) {
                    true => bits(if f(a) > f(b) { f(a) } else { f(b) }),
                    false => scalar(op, ty, mode, [a, b, c]),
                });
            }
            _ => {}
        }
    }
    match ty.half() {
        None => warp.map(mask, d, abc, |a, b, c| scalar(op, ty, mode, [a, b, c])),
        Some(half) => warp.map(mask, d, abc, |a, b, c| {
            let low = scalar(op, half, mode, [a, b, c]) & 0xffff;
            low | scalar(op, half, mode, [a >> 16, b >> 16, c >> 16]) << 16
        }),
    }
}

#[inline(always)]
fn bits(x: f32) -> u64 {
    u64::from(if x.is_nan() { NAN } else { x.to_bits() })
}

fn fma(warp: &mut Warp, mask: u32, d: Reg, abc: [Reg; 3]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { fma_x86(warp, mask, d, abc) };
    }
    fma_portable(warp, mask, d, abc);
}

/// Without the instructions, each fma would be a call.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fma_x86(warp: &mut Warp, mask: u32, d: Reg, abc: [Reg; 3]) {
    fma_portable(warp, mask, d, abc);
}

#[inline(always)]
fn fma_portable(warp: &mut Warp, mask: u32, d: Reg, abc: [Reg; 3]) {
    let f = |x: u64| f32::from_bits(x as u32);
    warp.map(mask, d, abc, |a, b, c| bits(f(a).mul_add(f(b), f(c))));
}

/// One operation on one lane, of any format and rounding.
pub(super) fn scalar(op: Float, ty: Type, mode: FloatMode, abc: [u64; 3]) -> u64 {
    let sign = 1u64 << (ty.bits() - 1);
    let [x, y, _] = abc;
    match op {
        Float::Neg if !mode.flush => return x ^ sign,
        Float::Abs if !mode.flush => return x & !sign & crate::types::low_mask(ty.bits()),
        Float::CopySign => return y & (sign - 1) | x & sign,
        _ => {}
    }
    let flush = mode.flush && ty == Type::F32;
    let [a, b, c] = abc.map(|x| {
        let x = widen(ty, x);
        if flush && is_subnormal(x) { 0f64.copysign(x) } else { x }
    });
    let value = match ty {
        Type::F64 => double(op, mode, a, b, c),
        _ => odd(op, mode, a, b, c),
    };
    let value = match (mode.saturate, mode.relu) {
        (true, _) if value.is_nan() => 0.0,
        (true, _) => value.clamp(0.0, 1.0) + 0.0,
        (_, true) if value < 0.0 => 0.0,
        _ => value,
    };
    let result = narrow(ty, value, mode.rounding);
    match flush && is_subnormal(widen(ty, result)) {
        true => result & sign,
        false => result,
    }
}

/// Whether it would be a subnormal f32.
pub(super) fn is_subnormal(x: f64) -> bool {
    x != 0.0 && x.abs() < f64::from(f32::MIN_POSITIVE)
}

fn double(op: Float, mode: FloatMode, a: f64, b: f64, c: f64) -> f64 {
    // The hardware's approximations give the upper half only.
    let upper = |x: f64| f64::from_bits(x.to_bits() & !0xffff_ffff);
    if mode.rounding != Rounding::Nearest {
        let inexact = match op {
            Float::Add => Inexact::add(a, b),
            Float::Sub => Inexact::add(a, -b),
            Float::Mul => Inexact::mul(a, b),
            Float::Div => Inexact::div(a, b),
            Float::Rcp => Inexact::div(1.0, a),
            _ => Inexact::sqrt(a),
        };
        return inexact.towards(mode.rounding);
    }
    match op {
        Float::Add => a + b,
        Float::Sub => a - b,
        Float::Mul => a * b,
        Float::Fma => a.mul_add(b, c),
        Float::Div => a / b,
        Float::Sqrt => a.sqrt(),
        Float::Rcp if mode.flush => upper(1.0 / a),
        Float::Rcp => 1.0 / a,
        _ => odd(op, mode, a, b, c),
    }
}

/// The exact result as far as 53 bits tell, the last one sticky.
fn odd(op: Float, mode: FloatMode, a: f64, b: f64, c: f64) -> f64 {
    match op {
        Float::Add => sum(a, b, mode),
        Float::Sub => sum(a, -b, mode),
        Float::Mul => a * b,
        Float::Fma => match a * b {
            product if product.is_finite() && c.is_finite() => {
                let exact = fma_odd(a, b, c);
                if exact == 0.0 { sum(product, c, mode) } else { exact }
            }
            product => product + c,
        },
        Float::Div => Inexact::div(a, b).odd(),
        Float::Rcp => Inexact::div(1.0, a).odd(),
        Float::Sqrt => Inexact::sqrt(a).odd(),
        Float::Rsqrt => 1.0 / a.sqrt(),
        Float::Ex2 => a.exp2(),
        Float::Lg2 => a.log2(),
        Float::Sin => a.sin(),
        Float::Cos => a.cos(),
        Float::Tanh => a.tanh(),
        Float::Min => extreme(mode, a, b, |a, b| a < b, |zeros| zeros.0 || zeros.1),
        Float::Max => extreme(mode, a, b, |a, b| a > b, |zeros| zeros.0 && zeros.1),
        Float::Neg => -a,
        Float::Abs => a.abs(),
        Float::CopySign => b.copysign(a),
    }
}

/// A sum; that of opposite numbers is −0 when rounding down.
fn sum(a: f64, b: f64, mode: FloatMode) -> f64 {
    let sum = Inexact::add(a, b).odd();
    let opposite = sum == 0.0 && a.is_sign_negative() != b.is_sign_negative();
    if opposite && mode.rounding == Rounding::Down { -0.0 } else { sum }
}

/// Minimum or maximum: NaN loses unless `.NaN` says otherwise, and −0 is less than +0.
fn extreme(
    mode: FloatMode,
    a: f64,
    b: f64,
    wins: impl Fn(f64, f64) -> bool,
    negative: impl Fn((bool, bool)) -> bool,
) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => f64::NAN,
        (true, _) | (_, true) if mode.nan => f64::NAN,
        (true, _) => b,
        (_, true) => a,
        _ if a == 0.0 && b == 0.0 => {
            let negative = negative((a.is_sign_negative(), b.is_sign_negative()));
            if negative { -0.0 } else { 0.0 }
        }
        _ => {
            if wins(a, b) {
                a
            } else {
                b
            }
        }
    }
}

/// Whether a comparison of floats holds.
pub(super) fn compare(comparison: Comparison, ty: Type, flush: bool, a: u64, b: u64) -> bool {
    let value = |x| match widen(ty, x) {
        x if flush && ty == Type::F32 && is_subnormal(x) => 0.0,
        x => x,
    };
    let (a, b) = (value(a), value(b));
    let nan = a.is_nan() || b.is_nan();
    match comparison {
        Comparison::Eq => a == b,
        Comparison::Ne => !nan && a != b,
        Comparison::Lt => a < b,
        Comparison::Le => a <= b,
        Comparison::Gt => a > b,
        Comparison::Ge => a >= b,
        Comparison::Equ => nan || a == b,
        Comparison::Neu => nan || a != b,
        Comparison::Ltu => nan || a < b,
        Comparison::Leu => nan || a <= b,
        Comparison::Gtu => nan || a > b,
        Comparison::Geu => nan || a >= b,
        Comparison::Num => !nan,
        Comparison::Nan => nan,
    }
}

/// Whether a float is of a kind.
pub(super) fn test(test: Test, ty: Type, x: u64) -> bool {
    let smallest = if ty == Type::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let x = widen(ty, x);
    match test {
        Test::Finite => x.is_finite(),
        Test::Infinite => x.is_infinite(),
        Test::Number => !x.is_nan(),
        Test::NotANumber => x.is_nan(),
        Test::Normal => x.is_finite() && x.abs() >= smallest,
        Test::Subnormal => x != 0.0 && x.abs() < smallest,
    }
}
