//! Shuffles, votes, and reductions of a warp.

use super::Stop;
use super::warp::{Warp, lanes};
use crate::error::FaultKind;
use crate::op::{Integer, Op, Reg, Shuffle, Vote};
use crate::types::Type;

type Outcome = Result<(), Box<Stop>>;

/// Fails unless all lanes that the instruction names execute it.
pub(super) fn require(warp: &Warp, mask: u32, op: &Op) -> Outcome {
    match warp.wanted(op, mask) & !mask {
        0 => Ok(()),
        absent => Err(Stop::at(absent.trailing_zeros() as usize, warp.missing(op, mask))),
    }
}

/// A shuffle's operands: value, lane, and clamp with segments.
pub(super) fn shuffle(
    warp: &mut Warp,
    mask: u32,
    kind: Shuffle,
    (d, valid): (Reg, Option<u32>),
    [a, b, c]: [Reg; 3],
) -> Outcome {
    let (a, b, c) = (*warp.get(a), *warp.get(b), *warp.get(c));
    let (mut out, mut within) = ([0; 32], 0u32);
    for lane in lanes(mask) {
        let (by, segment, clamp) =
            ((b[lane] & 31) as usize, (c[lane] >> 8 & 31) as usize, (c[lane] & 31) as usize);
        let first = lane & segment;
        let last = first | clamp & !segment & 31;
        let (from, valid) = match kind {
            Shuffle::Up => (lane.wrapping_sub(by), lane >= by && lane - by >= last),
            Shuffle::Down => (lane + by, lane + by <= last),
            Shuffle::Butterfly => (lane ^ by, lane ^ by <= last),
            Shuffle::Index => {
                let from = first | by & !segment & 31;
                (from, from <= last)
            }
        };
        let from = if valid { from } else { lane };
        if mask >> from & 1 == 0 {
            let kind = FaultKind::InactiveLane { source_lane: from as u32 };
            return Err(Stop::at(lane, kind));
        }
        out[lane] = a[from];
        within |= u32::from(valid) << lane;
    }
    warp.set(d, mask, &out);
    if let Some(valid) = valid {
        warp.set_predicate(valid, mask, within);
    }
    Ok(())
}

/// Each lane's result is that of the lanes its own mask names.
pub(super) fn vote(warp: &mut Warp, mask: u32, kind: Vote, d: u32, holds: u32, named: Reg) {
    let named = *warp.get(named);
    let result = lanes(mask).fold(0, |bits, lane| {
        let group = named[lane] as u32 & mask;
        let result = match kind {
            Vote::All => holds & group == group,
            Vote::Any => holds & group != 0,
            Vote::Uniform => holds & group == group || holds & group == 0,
        };
        bits | u32::from(result) << lane
    });
    warp.set_predicate(d, mask, result);
}

/// Which of the named lanes' predicates hold.
pub(super) fn ballot(warp: &mut Warp, mask: u32, d: Reg, holds: u32, named: Reg) {
    warp.map(mask, d, [named; 3], |named, _, _| named & u64::from(holds & mask));
}

/// Which lanes have the same value.
pub(super) fn matching(
    warp: &mut Warp,
    mask: u32,
    (all, ty): (bool, Type),
    (d, valid): (Reg, Option<u32>),
    (a, named): (Reg, Reg),
) {
    let (a, named) = (*warp.get(a), *warp.get(named));
    let (mut out, mut everywhere) = ([0; 32], 0u32);
    for lane in lanes(mask) {
        let group = named[lane] as u32 & mask;
        let same = lanes(group)
            .filter(|&other| ty.extend(a[other]) == ty.extend(a[lane]))
            .fold(0u32, |bits, other| bits | 1 << other);
        everywhere |= u32::from(same == group) << lane;
        out[lane] = u64::from(if all && same != group { 0 } else { same });
    }
    warp.set(d, mask, &out);
    if let Some(valid) = valid {
        warp.set_predicate(valid, mask, everywhere);
    }
}

/// Every lane gets the sum, the largest, … of the lanes its mask names.
pub(super) fn reduce(
    warp: &mut Warp,
    mask: u32,
    (op, ty): (Integer, Type),
    d: Reg,
    (a, named): (Reg, Reg),
) {
    let (a, named) = (*warp.get(a), *warp.get(named));
    let mut out = [0; 32];
    for lane in lanes(mask) {
        let group = lanes(named[lane] as u32 & mask).map(|other| ty.extend(a[other]));
        out[lane] = group.reduce(|x, y| combine(op, ty, x, y)).unwrap_or(0);
    }
    warp.set(d, mask, &out);
}

fn combine(op: Integer, ty: Type, x: u64, y: u64) -> u64 {
    match op {
        Integer::Min if ty.is_signed() => (x as i64).min(y as i64) as u64,
        Integer::Max if ty.is_signed() => (x as i64).max(y as i64) as u64,
        Integer::Min => x.min(y),
        Integer::Max => x.max(y),
        Integer::And => x & y,
        Integer::Or => x | y,
        Integer::Xor => x ^ y,
        _ => x.wrapping_add(y),
    }
}

/// The lanes that are active, as `activemask` tells.
pub(super) fn active(warp: &mut Warp, mask: u32, d: Reg) {
    warp.set(d, mask, &[u64::from(mask); 32]);
}
