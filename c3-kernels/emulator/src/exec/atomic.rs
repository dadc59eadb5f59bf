//! What atomic instructions make of a value in memory.

use super::float::scalar;
use crate::op::{Atomic, Float, FloatMode};
use crate::types::{Type, low_mask};

/// The new value.
pub(super) fn change(op: Atomic, ty: Type, old: u64, b: u64, c: u64) -> u64 {
    if ty.is_float() {
        return float(op, ty, old, b, c);
    }
    let (old, b, c) = (ty.extend(old), ty.extend(b), ty.extend(c));
    let signed = ty.is_signed();
    match op {
        Atomic::Add => old.wrapping_add(b),
        Atomic::Min if signed => (old as i64).min(b as i64) as u64,
        Atomic::Max if signed => (old as i64).max(b as i64) as u64,
        Atomic::Min => old.min(b),
        Atomic::Max => old.max(b),
        Atomic::And => old & b,
        Atomic::Or => old | b,
        Atomic::Xor => old ^ b,
        Atomic::Exchange => b,
        Atomic::CompareExchange => {
            if old == b {
                c
            } else {
                old
            }
        }
        Atomic::Increment => {
            if old >= b {
                0
            } else {
                old + 1
            }
        }
        Atomic::Decrement => {
            if old == 0 || old > b {
                b
            } else {
                old - 1
            }
        }
    }
}

fn float(op: Atomic, ty: Type, old: u64, b: u64, c: u64) -> u64 {
    let op = match op {
        Atomic::Add => Float::Add,
        Atomic::Min => Float::Min,
        Atomic::Max => Float::Max,
        Atomic::CompareExchange => return if old == b { c } else { old },
        _ => return b,
    };
    let mode = FloatMode::default();
    match ty.half() {
        None => scalar(op, ty, mode, [old, b, 0]),
        Some(half) => {
            let part = |shift: u32| scalar(op, half, mode, [old >> shift, b >> shift, 0]);
            (part(0) & low_mask(16)) | part(16) << 16
        }
    }
}
