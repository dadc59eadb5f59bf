//! Integer arithmetic.

use super::Stop;
use super::warp::{Warp, lanes};
use crate::error::FaultKind;
use crate::op::{Integer, Mix, Permute, Reg};
use crate::types::{Type, low_mask};

/// An integer type, with PTX's meaning of operations that Rust's don't have.
trait Int: Copy + Ord {
    const BITS: u32;
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
    fn wide(self) -> i128;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn rem(self, other: Self) -> Self;
    fn abs(self) -> Self;
    fn is_negative(self) -> bool;
    fn shr(self, by: u32) -> Self;
}

macro_rules! int {
    ($($ty:ty: $unsigned:ty, $abs:expr);* $(;)?) => {$(
        impl Int for $ty {
            const BITS: u32 = <$ty>::BITS;
            #[inline(always)]
            fn of(bits: u64) -> Self { bits as Self }
            #[inline(always)]
            fn bits(self) -> u64 { self as $unsigned as u64 }
            #[inline(always)]
            fn wide(self) -> i128 { self as i128 }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            #[inline(always)]
            fn abs(self) -> Self { $abs(self) }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn is_negative(self) -> bool { self < 0 }
            #[inline(always)]
            fn shr(self, by: u32) -> Self { self >> by }
        }
    )*};
}

int! {
    i16: u16, i16::wrapping_abs;
    i32: u32, i32::wrapping_abs;
    i64: u64, i64::wrapping_abs;
    u16: u16, |x| x;
    u32: u32, |x| x;
    u64: u64, |x| x;
}

/// `d = op(a, b, c)` for the lanes of `mask`.
pub(super) fn execute(
    warp: &mut Warp,
    mask: u32,
    (op, ty, saturate): (Integer, Type, bool),
    d: Reg,
    abc: [Reg; 3],
) -> Result<(), Box<Stop>> {
    if matches!(op, Integer::Div | Integer::Rem) {
        let b = warp.get(abc[1]);
        if let Some(lane) = lanes(mask).find(|&lane| ty.extend(b[lane]) == 0) {
            return Err(Stop::at(lane, FaultKind::DivisionByZero));
        }
    }
    if saturate {
        warp.map(mask, d, abc, |a, b, _| {
            let (a, b) = (a as i32, b as i32);
            let sum = if op == Integer::Add { a.saturating_add(b) } else { a.saturating_sub(b) };
            u64::from(sum as u32)
        });
        return Ok(());
    }
    match ty {
        Type::S16 => by_type::<i16>(warp, mask, op, d, abc),
        Type::S32 => by_type::<i32>(warp, mask, op, d, abc),
        Type::S64 => by_type::<i64>(warp, mask, op, d, abc),
        Type::U16 | Type::B16 => by_type::<u16>(warp, mask, op, d, abc),
        Type::U64 | Type::B64 => by_type::<u64>(warp, mask, op, d, abc),
        _ => by_type::<u32>(warp, mask, op, d, abc),
    }
    Ok(())
}

fn by_type<T: Int>(warp: &mut Warp, mask: u32, op: Integer, d: Reg, abc: [Reg; 3]) {
    macro_rules! map {
        (|$a:ident, $b:ident, $c:ident| $value:expr) => {
            warp.map(mask, d, abc, |a, b, c| {
                let ($a, $b, $c) = (T::of(a), T::of(b), T::of(c));
                let _ = (&$a, &$b, &$c);
                T::bits($value)
            })
        };
    }
    macro_rules! bits {
        (|$a:ident, $b:ident| $value:expr) => {
            warp.map(mask, d, abc, |a, b, _| {
                let ($a, $b) = (T::of(a), T::of(b));
                let _ = (&$a, &$b);
                $value
            })
        };
    }
    match op {
        Integer::Add => map!(|a, b, c| a.add(b)),
        Integer::Sub => map!(|a, b, c| a.sub(b)),
        Integer::MulLow => map!(|a, b, c| a.mul(b)),
        Integer::MulHigh => map!(|a, b, c| high(a, b)),
        Integer::MulWide => bits!(|a, b| a.wide().wrapping_mul(b.wide()) as u64),
        Integer::MadLow => map!(|a, b, c| a.mul(b).add(c)),
        Integer::MadHigh => map!(|a, b, c| high(a, b).add(c)),
        Integer::MadWide => warp.map(mask, d, abc, |a, b, c| {
            (T::of(a).wide().wrapping_mul(T::of(b).wide()) as u64).wrapping_add(c)
        }),
        Integer::Mul24Low => map!(|a, b, c| T::of(product24(a, b) as u64)),
        Integer::Mul24High => map!(|a, b, c| T::of((product24(a, b) >> 16) as u64)),
        Integer::Mad24Low => map!(|a, b, c| T::of(product24(a, b) as u64).add(c)),
        Integer::Mad24High => map!(|a, b, c| T::of((product24(a, b) >> 16) as u64).add(c)),
        Integer::Div => map!(|a, b, c| a.div(b)),
        Integer::Rem => map!(|a, b, c| a.rem(b)),
        Integer::Min => map!(|a, b, c| a.min(b)),
        Integer::Max => map!(|a, b, c| a.max(b)),
        Integer::Abs => map!(|a, b, c| a.abs()),
        Integer::Neg => map!(|a, b, c| T::of(0).sub(a)),
        Integer::Not => map!(|a, b, c| T::of(!a.bits())),
        Integer::CNot => map!(|a, b, c| T::of(u64::from(a.bits() == 0))),
        Integer::Sad => map!(|a, b, c| a.max(b).sub(a.min(b)).add(c)),
        Integer::And => map!(|a, b, c| T::of(a.bits() & b.bits())),
        Integer::Or => map!(|a, b, c| T::of(a.bits() | b.bits())),
        Integer::Xor => map!(|a, b, c| T::of(a.bits() ^ b.bits())),
        Integer::Shl => warp.map(mask, d, abc, |a, b, _| match b as u32 {
            by if by < T::BITS => T::of(a << by).bits(),
            _ => 0,
        }),
        Integer::Shr => warp.map(mask, d, abc, |a, b, _| {
            let a = T::of(a);
            match b as u32 {
                by if by < T::BITS => a.shr(by).bits(),
                _ => a.shr(T::BITS - 1).shr(u32::from(!a.is_negative())).bits(),
            }
        }),
        Integer::Popc => bits!(|a, b| u64::from(a.bits().count_ones())),
        Integer::Clz => bits!(|a, b| u64::from(a.bits().leading_zeros() + T::BITS - 64)),
        Integer::Brev => bits!(|a, b| a.bits().reverse_bits() >> (64 - T::BITS)),
        Integer::Bfind => bits!(|a, b| top_bit(a).map_or(u64::from(u32::MAX), u64::from)),
        Integer::BfindShift => {
            bits!(|a, b| top_bit(a).map_or(u64::from(u32::MAX), |n| u64::from(T::BITS - 1 - n)))
        }
        Integer::Bfe => warp.map(mask, d, abc, |a, b, c| field(T::of(a), b, c)),
    }
}

/// The upper half of a product.
#[inline(always)]
fn high<T: Int>(a: T, b: T) -> T {
    T::of((a.wide().wrapping_mul(b.wide()) >> T::BITS) as u64)
}

/// The product of the lowest 24 bits, 48 bits long.
#[inline(always)]
fn product24<T: Int>(a: T, b: T) -> i64 {
    let cut = |x: T| match T::of(u64::MAX).is_negative() {
        true => ((x.bits() << 40) as i64) >> 40,
        false => (x.bits() & 0xff_ffff) as i64,
    };
    cut(a) * cut(b)
}

/// The highest bit that differs from the sign.
#[inline(always)]
fn top_bit<T: Int>(x: T) -> Option<u32> {
    let bits = if x.is_negative() { !x.bits() & low_mask(T::BITS) } else { x.bits() };
    bits.checked_ilog2()
}

/// `bfe`: `length` bits from `start` on; signed ones are extended by their highest bit, and bits
/// beyond the number are copies of its sign.
#[inline(always)]
fn field<T: Int>(x: T, start: u64, length: u64) -> u64 {
    let (start, length) = ((start & 0xff) as u32, (length & 0xff) as u32);
    if length == 0 {
        return 0;
    }
    let shifted = x.wide() >> start.min(127);
    let cut = shifted & (((1i128 << length.min(126)) - 1) & low_mask(64) as i128);
    let top = (start + length - 1).min(T::BITS - 1);
    let negative = T::of(u64::MAX).is_negative() && x.bits() >> top & 1 == 1;
    let value = if negative && length < 64 { cut as u64 | !low_mask(length) } else { cut as u64 };
    T::of(value).bits()
}

/// Arithmetic with the carry flag.
pub(super) fn carry(
    warp: &mut Warp,
    mask: u32,
    (op, ty): (Integer, Type),
    d: Reg,
    abc: [Reg; 3],
    (reads, writes): (bool, bool),
) {
    let before = if reads { warp.carry } else { 0 };
    let (bits, mut out, mut after) = (ty.bits(), [0; 32], 0);
    for (lane, out) in out.iter_mut().enumerate() {
        let [a, b, c] = abc.map(|reg| ty.extend(warp.get(reg)[lane]));
        let unsigned = |x: u64| u128::from(x & low_mask(bits));
        let carry = u128::from(before >> lane & 1);
        let product = (a as i64 as i128).wrapping_mul(b as i64 as i128);
        let product = if ty.is_signed() { product as u128 } else { unsigned(a) * unsigned(b) };
        let (sum, carried) = match op {
            Integer::Sub => {
                let difference = unsigned(a).wrapping_sub(unsigned(b)).wrapping_sub(carry);
                (difference, unsigned(a) < unsigned(b) + carry)
            }
            _ => {
                let (x, y) = match op {
                    Integer::MadLow => (unsigned(product as u64), unsigned(c)),
                    Integer::MadHigh => (unsigned((product >> bits) as u64), unsigned(c)),
                    _ => (unsigned(a), unsigned(b)),
                };
                (x + y + carry, (x + y + carry) >> bits != 0)
            }
        };
        *out = sum as u64 & low_mask(bits);
        after |= u32::from(carried) << lane;
    }
    warp.set(d, mask, &out);
    if writes {
        warp.carry = warp.carry & !mask | after & mask;
    }
}

/// `bfi`: a's lowest bits put into b.
pub(super) fn insert(warp: &mut Warp, mask: u32, ty: Type, d: Reg, abcd: [Reg; 4]) {
    let mut out = [0; 32];
    for (lane, out) in out.iter_mut().enumerate() {
        let [a, b, start, length] = abcd.map(|reg| warp.get(reg)[lane]);
        let (start, length) = ((start & 0xff) as u32, (length & 0xff) as u32);
        let field = match start < ty.bits() {
            true => low_mask(length.min(ty.bits())) << start,
            false => 0,
        };
        let moved = if start < 64 { a << start } else { 0 };
        *out = b & !field | moved & field;
    }
    warp.set(d, mask, &out);
}

/// Operations that mix the bits of 32-bit numbers.
pub(super) fn mix(warp: &mut Warp, mask: u32, op: Mix, d: Reg, abc: [Reg; 3]) {
    warp.map(mask, d, abc, |a, b, c| {
        let (a, b, c) = (a as u32, b as u32, c as u32);
        u64::from(match op {
            Mix::Lop3(table) => (0..8u32).filter(|i| table >> i & 1 == 1).fold(0, |d, i| {
                let pick = |x: u32, bit: u32| if i >> bit & 1 == 1 { x } else { !x };
                d | pick(a, 2) & pick(b, 1) & pick(c, 0)
            }),
            Mix::FunnelLeft { clamp } => {
                let by = if clamp { c.min(32) } else { c & 31 };
                ((u64::from(b) << 32 | u64::from(a)) << by >> 32) as u32
            }
            Mix::FunnelRight { clamp } => {
                let by = if clamp { c.min(32) } else { c & 31 };
                ((u64::from(b) << 32 | u64::from(a)) >> by) as u32
            }
            Mix::Prmt(mode) => permute(mode, a, b, c),
            Mix::Dp4a(x, y) => {
                let byte = |v: u32, i: u32, signed: bool| match signed {
                    true => i32::from((v >> (8 * i)) as i8),
                    false => i32::from((v >> (8 * i)) as u8),
                };
                let dot: i32 = (0..4).map(|i| byte(a, i, x) * byte(b, i, y)).sum();
                c.wrapping_add(dot as u32)
            }
        })
    });
}

/// `prmt`: four of the eight bytes of b and a.
fn permute(mode: Permute, a: u32, b: u32, selector: u32) -> u32 {
    let both = u64::from(b) << 32 | u64::from(a);
    let n = selector & 3;
    (0..4).fold(0, |d, i: u32| {
        let choice = match mode {
            Permute::Index => selector >> (4 * i) & 15,
            Permute::F4e => n + i,
            Permute::B4e => n.wrapping_sub(i) & 7,
            Permute::Rc8 => n,
            Permute::Ecl => n.max(i),
            Permute::Ecr => n.min(i),
            Permute::Rc16 => (n & 1) * 2 + (i & 1),
        };
        let byte = (both >> (8 * (choice & 7))) as u8;
        // The selector's highest bit asks for eight copies of the byte's sign.
        let byte = if choice & 8 != 0 { ((byte as i8) >> 7) as u8 } else { byte };
        d | u32::from(byte) << (8 * i)
    })
}
