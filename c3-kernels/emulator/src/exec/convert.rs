//! Conversions between types.

use super::float::is_subnormal;
use super::warp::Warp;
use crate::float::{Rounding, integer_odd, narrow, widen};
use crate::op::{Conversion, Reg};
use crate::types::{Type, low_mask};

/// `d = to(a)` for the lanes of `mask`.
pub(super) fn execute(
    warp: &mut Warp,
    mask: u32,
    (to, from, mode): (Type, Type, Conversion),
    d: Reg,
    a: Reg,
) {
    let abc = [a; 3];
    match (to.is_float(), from.is_float()) {
        (false, false) if mode.saturate => warp.map(mask, d, abc, |a, _, _| {
            clamp(to, if from.is_signed() { signed(from, a) } else { from.extend(a).into() })
        }),
        (false, false) => warp.map(mask, d, abc, |a, _, _| to.extend(from.extend(a))),
        (true, false) => warp.map(mask, d, abc, |a, _, _| {
            let integer = match from.is_signed() {
                true => signed(from, a),
                false => i128::from(from.extend(a)),
            };
            match to {
                Type::F64 => (integer as f64).to_bits(),
                _ => float(to, integer_odd(integer), mode),
            }
        }),
        (false, true) => {
            warp.map(mask, d, abc, |a, _, _| integer(to, from, source(from, a, mode), mode))
        }
        (true, true) => warp.map(mask, d, abc, |a, _, _| {
            let value = source(from, a, mode);
            let value = if mode.integral { mode.rounding.integral(value) } else { value };
            float(to, value, mode)
        }),
    }
}

fn signed(ty: Type, x: u64) -> i128 {
    i128::from(ty.extend(x) as i64)
}

fn source(ty: Type, x: u64, mode: Conversion) -> f64 {
    match widen(ty, x) {
        x if mode.flush && ty == Type::F32 && is_subnormal(x) => 0f64.copysign(x),
        x => x,
    }
}

/// An integer within the type's range.
fn clamp(ty: Type, x: i128) -> u64 {
    let bits = ty.bits();
    let (low, high) = match ty.is_signed() {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, i128::from(low_mask(bits))),
    };
    x.clamp(low, high) as u64
}

/// A float to an integer, which clamps; NaN becomes 0, or the highest bit if 64 bits are involved.
fn integer(to: Type, from: Type, x: f64, mode: Conversion) -> u64 {
    if x.is_nan() {
        let wide = from == Type::F64 || to.size() == 8;
        return if wide { 1 << (to.bits() - 1) } else { 0 };
    }
    clamp(to, mode.rounding.integral(x) as i128)
}

/// A value as a float.
fn float(to: Type, x: f64, mode: Conversion) -> u64 {
    let x = match (mode.saturate, mode.relu) {
        (true, _) if x.is_nan() => 0.0,
        (true, _) => x.clamp(0.0, 1.0) + 0.0,
        (_, true) if x < 0.0 => 0.0,
        _ => x,
    };
    let rounding = if mode.integral { Rounding::Nearest } else { mode.rounding };
    let result = narrow(to, x, rounding);
    match mode.flush && to == Type::F32 && is_subnormal(widen(to, result)) {
        true => result & 1 << 31,
        false => result,
    }
}

/// Two f32 to a packed pair.
pub(super) fn pair(
    warp: &mut Warp,
    mask: u32,
    (to, mode): (Type, Conversion),
    d: Reg,
    [high, low]: [Reg; 2],
) {
    let half = to.half().unwrap_or(to);
    warp.map(mask, d, [high, low, low], |high, low, _| {
        let convert = |x| float(half, source(Type::F32, x, mode), mode);
        convert(high) << 16 | convert(low)
    });
}

/// f32 to tf32, which is f32 with 10 bits of fraction.
pub(super) fn tf32(warp: &mut Warp, mask: u32, mode: Conversion, d: Reg, a: Reg) {
    warp.map(mask, d, [a; 3], |a, _, _| {
        let bits = a as u32;
        if f32::from_bits(bits).is_nan() {
            return 0x7fff_ffff;
        }
        let relu = mode.relu && f32::from_bits(bits) < 0.0;
        let rest = bits & 0x1fff;
        let up = match mode.rounding {
            Rounding::NearestAway => rest >= 0x1000,
            Rounding::Nearest => rest > 0x1000 || rest == 0x1000 && bits >> 13 & 1 == 1,
            _ => false,
        };
        // An infinity has no rest.
        let rounded = (bits & !0x1fff) + if up { 0x2000 } else { 0 };
        if relu { 0 } else { u64::from(rounded) }
    });
}
