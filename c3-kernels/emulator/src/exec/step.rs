//! One instruction of a warp.

use super::block::Block;
use super::warp::{State, Warp, lanes};
use super::{Stop, access, barrier, collective, convert, float, integer, matrix};
use crate::error::FaultKind;
use crate::op::{Comparison, Logic, Op, SetPredicate};
use crate::types::Type;
use crate::types::low_mask;

/// Picks lanes and executes their next instruction.
pub(super) fn step(block: &mut Block<'_>, warp: &mut Warp) -> Result<(), Box<Stop>> {
    if warp.is_split() || warp.active == 0 {
        let chosen = warp.choose(block.code);
        let chosen = chosen.map_err(|kind| {
            let lane = warp.active.trailing_zeros() as usize;
            Stop::at(lane.min(31), kind)
        })?;
        if !chosen {
            warp.state = State::Done;
            return Ok(());
        }
    }
    let code = block.code;
    let instruction = &code.instructions[warp.pc];
    block.instructions += 1;
    let mask = match instruction.guard {
        None => warp.active,
        Some(guard) => warp.active & warp.holds(guard),
    };
    match &instruction.op {
        Op::Branch(target) => warp.branch(mask, *target),
        Op::Switch { index, targets } => switch(warp, mask, *index, targets)?,
        Op::Exit => warp.exit(mask),
        _ if mask == 0 => warp.pc += 1,
        Op::Barrier(to) => {
            barrier::arrive(&mut block.gates, warp, mask, to)?;
            warp.pc += 1;
        }
        op => {
            execute(block, warp, mask, op)?;
            warp.pc += 1;
        }
    }
    Ok(())
}

fn switch(warp: &mut Warp, mask: u32, index: u32, targets: &[usize]) -> Result<(), Box<Stop>> {
    let index = *warp.get(index);
    let by_lane = |lane: usize| targets.get(index[lane] as u32 as usize).copied();
    if let Some(lane) = lanes(mask).find(|&lane| by_lane(lane).is_none()) {
        let what = format!("branch {} of {}", index[lane] as u32, targets.len());
        return Err(Stop::at(lane, FaultKind::Operand { what }));
    }
    // Each branch takes its lanes away; the last ones leave nobody behind.
    let (next, mut rest) = (warp.pc, mask);
    while rest != 0 {
        let target = by_lane(rest.trailing_zeros() as usize);
        let taken = lanes(rest).filter(|&lane| by_lane(lane) == target);
        let taken = taken.fold(0u32, |bits, lane| bits | 1 << lane);
        rest &= !taken;
        warp.branch(taken, target.unwrap_or(next));
        if rest != 0 {
            warp.pc = next;
        }
    }
    if mask == 0 {
        warp.pc = next + 1;
    }
    Ok(())
}

fn execute(block: &mut Block<'_>, warp: &mut Warp, mask: u32, op: &Op) -> Result<(), Box<Stop>> {
    if op.mask().is_some() {
        collective::require(warp, mask, op)?;
    }
    match *op {
        Op::Move { d, a } => warp.map(mask, d, [a; 3], |a, _, _| a),
        Op::Integer { op, ty, saturate, d, abc } => {
            integer::execute(warp, mask, (op, ty, saturate), d, abc)?;
        }
        Op::Float { op, ty, mode, d, abc } => float::execute(warp, mask, (op, ty, mode), d, abc),
        Op::SetPredicate(ref set) => set_predicate(warp, mask, set),
        Op::Load { space, ty, ref d, at } => block.load(warp, mask, (space, ty), d, at)?,
        Op::Store { space, ty, ref values, at } => {
            block.store(warp, mask, (space, ty), values, at)?;
        }
        Op::MatrixMultiply { ty, d, ref a, ref b, c } => {
            full(warp, mask)?;
            block.mma += 1;
            matrix::multiply(warp, (ty, block.options.mma), d, (a, b), c);
        }
        Op::LoadMatrix { transposed, ref d, at } => {
            full(warp, mask)?;
            block.load_matrix(warp, transposed, d, at)?;
        }
        Op::Convert { to, from, mode, d, a } => {
            convert::execute(warp, mask, (to, from, mode), d, a);
        }
        Op::ConvertPair { to, mode, d, high, low } => {
            convert::pair(warp, mask, (to, mode), d, [high, low]);
        }
        Op::ConvertTf32 { mode, d, a } => convert::tf32(warp, mask, mode, d, a),
        Op::Select { d, a, b, p } => select(warp, mask, d, [a, b], warp.holds(p)),
        Op::SelectBySign { d, a, b, c, ty } => {
            let negative = warp.test(c, c, |c, _| match ty {
                Type::F32 => f32::from_bits(c as u32) < 0.0,
                _ => (ty.extend(c) as i64) < 0,
            });
            select(warp, mask, d, [a, b], !negative);
        }
        Op::PredMove { d, a } => warp.set_predicate(d, mask, warp.holds(a)),
        Op::PredLogic { op, d, a, b } => {
            let value = logic(op, warp.holds(a), warp.holds(b));
            warp.set_predicate(d, mask, value);
        }
        Op::Set { ref compare, d, to } => {
            let holds = comparison(warp, compare);
            let yes = if to == Type::F32 { u64::from(1f32.to_bits()) } else { low_mask(32) };
            let out = std::array::from_fn(|lane| if holds >> lane & 1 == 1 { yes } else { 0 });
            warp.set(d, mask, &out);
        }
        Op::Test { test, ty, d, a } => {
            let holds = warp.test(a, a, |a, _| float::test(test, ty, a));
            warp.set_predicate(d, mask, holds);
        }
        Op::Pack { d, ref parts, bits } => pack(warp, mask, d, parts, bits),
        Op::Unpack { ref parts, a, bits } => {
            let from = *warp.get(a);
            for (i, part) in parts.iter().enumerate() {
                if let &Some(d) = part {
                    let part = from.map(|x| x >> (i as u32 * bits) & low_mask(bits));
                    warp.set(d, mask, &part);
                }
            }
        }
        Op::Clock { d } => warp.set(d, mask, &[block.instructions; 32]),
        Op::Carry { op, ty, d, abc, reads, writes } => {
            integer::carry(warp, mask, (op, ty), d, abc, (reads, writes));
        }
        Op::BitInsert { ty, d, abcd } => integer::insert(warp, mask, ty, d, abcd),
        Op::Mix { op, d, abc } => integer::mix(warp, mask, op, d, abc),
        Op::ToGeneric { space, d, a } => {
            let base = access::window(space);
            warp.map(mask, d, [a; 3], |a, _, _| a.wrapping_add(base));
        }
        Op::FromGeneric { space, d, a } => {
            let base = access::window(space);
            warp.map(mask, d, [a; 3], |a, _, _| a.wrapping_sub(base));
        }
        Op::IsSpace { space, d, a } => {
            let holds = warp.test(a, a, |a, _| access::is_in(space, a));
            warp.set_predicate(d, mask, holds);
        }
        Op::Atomic { op, space, ty, d, at, bc } => {
            block.atomic(warp, mask, (op, space, ty), d, (at, bc))?;
        }
        Op::CopyAsync { .. } => block.start_copy(warp, mask, op)?,
        Op::CopyCommit => lanes(mask).for_each(|lane| warp.commits[lane] += 1),
        Op::CopyWait { groups } => block.wait_for_copies(warp, mask, groups)?,
        Op::Shuffle { kind, d, valid, a, b, c, .. } => {
            collective::shuffle(warp, mask, kind, (d, valid), [a, b, c])?;
        }
        Op::Vote { kind, d, a, mask: named } => {
            collective::vote(warp, mask, kind, d, warp.holds(a), named);
        }
        Op::Ballot { d, a, mask: named } => {
            collective::ballot(warp, mask, d, warp.holds(a), named);
        }
        Op::Match { all, ty, d, valid, a, mask: named } => {
            collective::matching(warp, mask, (all, ty), (d, valid), (a, named));
        }
        Op::ReduceWarp { op, ty, d, a, mask: named } => {
            collective::reduce(warp, mask, (op, ty), d, (a, named));
        }
        Op::ActiveMask { d } => collective::active(warp, mask, d),
        Op::WarpBarrier { .. } => warp.tick(),
        Op::Trap => return Err(Stop::at(first(mask), FaultKind::Trap)),
        Op::Assertion => return Err(Stop::at(first(mask), FaultKind::Assertion)),
        Op::Nop | Op::Barrier(_) | Op::Branch(_) | Op::Switch { .. } | Op::Exit => {}
    }
    Ok(())
}

fn first(mask: u32) -> usize {
    mask.trailing_zeros() as usize
}

/// Matrices need all 32 lanes.
fn full(warp: &Warp, mask: u32) -> Result<(), Box<Stop>> {
    match mask {
        u32::MAX => Ok(()),
        _ => {
            let kind = FaultKind::MissingLanes { present: mask, wanted: u32::MAX };
            Err(Stop::at(first(!mask & warp.live).min(31), kind))
        }
    }
}

fn pack(warp: &mut Warp, mask: u32, d: u32, parts: &[u32], bits: u32) {
    let mut out = [0; 32];
    for (i, &part) in parts.iter().enumerate() {
        for (out, &x) in out.iter_mut().zip(warp.get(part)) {
            *out |= (x & low_mask(bits)) << (i as u32 * bits);
        }
    }
    warp.set(d, mask, &out);
}

fn select(warp: &mut Warp, mask: u32, d: u32, [a, b]: [u32; 2], holds: u32) {
    let (a, b) = (warp.get(a), warp.get(b));
    let out = std::array::from_fn(|lane| if holds >> lane & 1 == 1 { a[lane] } else { b[lane] });
    warp.set(d, mask, &out);
}

fn logic(op: Logic, a: u32, b: u32) -> u32 {
    match op {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

fn set_predicate(warp: &mut Warp, mask: u32, set: &SetPredicate) {
    let holds = raw_comparison(warp, set);
    let combine = |value: u32| match set.combine {
        None => value,
        Some((op, p)) => logic(op, value, warp.holds(p)),
    };
    let values = [combine(holds), combine(!holds)];
    for (d, value) in set.d.iter().zip(values) {
        if let &Some(d) = d {
            warp.set_predicate(d, mask, value);
        }
    }
}

/// The lanes in which a comparison, combined with its predicate, holds.
fn comparison(warp: &Warp, set: &SetPredicate) -> u32 {
    let holds = raw_comparison(warp, set);
    match set.combine {
        None => holds,
        Some((op, p)) => logic(op, holds, warp.holds(p)),
    }
}

fn raw_comparison(warp: &Warp, set: &SetPredicate) -> u32 {
    let &SetPredicate { comparison, ty, flush, a, b, .. } = set;
    if ty.is_float() {
        return warp.test(a, b, |a, b| float::compare(comparison, ty, flush, a, b));
    }
    let test = |f: fn(i64, i64) -> bool| {
        warp.test(a, b, |a, b| {
            // Flipping the highest bit orders unsigned numbers as signed ones.
            let order = |x| (ty.extend(x) ^ if ty.is_signed() { 0 } else { 1 << 63 }) as i64;
            f(order(a), order(b))
        })
    };
    match comparison {
        Comparison::Eq | Comparison::Equ => test(|a, b| a == b),
        Comparison::Ne | Comparison::Neu => test(|a, b| a != b),
        Comparison::Lt | Comparison::Ltu => test(|a, b| a < b),
        Comparison::Le | Comparison::Leu => test(|a, b| a <= b),
        Comparison::Gt | Comparison::Gtu => test(|a, b| a > b),
        Comparison::Ge | Comparison::Geu => test(|a, b| a >= b),
        Comparison::Num => u32::MAX,
        Comparison::Nan => 0,
    }
}
