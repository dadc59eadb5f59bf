//! Loads, stores, atomics and asynchronous copies.

use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use super::{Decoder, Start};
use crate::error::Space;
use crate::op::{Atomic, MaybeSpace, Op};
use crate::parse::Operand;
use crate::types::Type;

/// What matters to caches, and to the order in which others see memory.
const IGNORED: &[&str] = &[
    "weak",
    "volatile",
    "relaxed",
    "acquire",
    "release",
    "acq_rel",
    "cta",
    "cluster",
    "gpu",
    "sys",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "nc",
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
    "L2::64B",
    "L2::128B",
    "L2::256B",
    "noftz",
];

impl Decoder<'_> {
    pub(super) fn memory_access(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        match opcode.name {
            "ld" | "ldu" => self.load(opcode, operands).map(Some),
            "st" => self.store(opcode, operands).map(Some),
            "atom" | "red" => self.atomic(opcode, operands).map(Some),
            "cp" => self.copy(opcode, operands).map(Some),
            "prefetch" | "prefetchu" | "applypriority" | "discard" | "membar" | "fence" => {
                // Blocks see each other's writes at once, so fences have nothing to do.
                opcode.ignore(IGNORED);
                opcode.ignore(&["sc", "gl", "proxy", "async", "global", "L1", "L2", "local"]);
                Ok(Some(Op::Nop))
            }
            _ => Ok(None),
        }
    }

    fn load(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let [d, at] = exactly(operands)?;
        let (space, ty, lanes) = access(opcode)?;
        let (at, found) = self.address(at)?;
        let space = self.space_of(space, found, ty);
        let d = self.targets(d)?;
        match d.len() == lanes {
            true => Ok(Op::Load { space, ty, d, at }),
            false => Err(format!("expected {lanes} registers")),
        }
    }

    fn store(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let [at, values] = exactly(operands)?;
        let (space, ty, lanes) = access(opcode)?;
        let (at, found) = self.address(at)?;
        let space = self.space_of(space, found, ty);
        let values = self.values(values)?;
        match values.len() == lanes {
            true => Ok(Op::Store { space, ty, values, at }),
            false => Err(format!("expected {lanes} registers")),
        }
    }

    /// Parameters of device functions lie in local memory, as the symbol tells; and remembers how
    /// small accesses to shared memory get.
    fn space_of(&mut self, space: MaybeSpace, symbol: Option<Space>, ty: Type) -> MaybeSpace {
        if matches!(space, Some(Space::Shared) | None) {
            self.shared_grain = self.shared_grain.min(ty.size());
        }
        match (space, symbol) {
            (Some(Space::Param), Some(symbol)) => Some(symbol),
            _ => space,
        }
    }

    fn atomic(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let returns = opcode.name == "atom";
        let op = opcode.find(operation).ok_or("an unknown atomic operation")?;
        opcode.ignore(IGNORED);
        let (space, ty) = (opcode.space(), opcode.ty()?);
        if ty.size() < 2 || ty.size() > 8 {
            return Err(format!("no atomics of {ty:?}"));
        }
        let (d, rest) = match (returns, operands) {
            (true, [d, rest @ ..]) => (self.maybe_target(d)?, rest),
            (_, operands) => (None, operands),
        };
        let [at, values @ ..] = rest else { return Err("expected an address".into()) };
        let (at, _) = self.address(at)?;
        let space = self.space_of(space, None, ty);
        let mut bc = [self.registers.start(Start::Value(0)); 2];
        for (reg, value) in bc.iter_mut().zip(values) {
            *reg = self.value(value)?;
        }
        Ok(Op::Atomic { op, space, ty, d, at, bc })
    }

    fn copy(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        if !opcode.take("async") {
            return Err("only asynchronous copies of threads".into());
        }
        if opcode.take("commit_group") {
            return Ok(Op::CopyCommit);
        }
        if opcode.take("wait_all") {
            return Ok(Op::CopyWait { groups: None });
        }
        if opcode.take("wait_group") {
            return match operands {
                [Operand::Number(groups)] => Ok(Op::CopyWait { groups: Some(*groups as u32) }),
                _ => Err("expected a number of groups".into()),
            };
        }
        opcode.ignore(IGNORED);
        let shared = opcode.take("shared") || opcode.take("shared::cta");
        if !(shared && opcode.take("global")) {
            return Err("only copies from global to shared memory".into());
        }
        let [to, from, bytes, rest @ ..] = operands else {
            return Err("expected addresses and a size".into());
        };
        let (to, from) = (self.address(to)?.0, self.address(from)?.0);
        let &Operand::Number(bytes @ (4 | 8 | 16)) = bytes else {
            return Err("expected a size of 4, 8 or 16".into());
        };
        let present = match rest {
            [] => None,
            [present] => Some(self.value(present)?),
            _ => return Err("a cache policy".into()),
        };
        self.shared_grain = self.shared_grain.min(bytes as usize);
        Ok(Op::CopyAsync { to, from, bytes: bytes as usize, present })
    }
}

/// Space, type and number of elements.
fn access(opcode: &mut Opcode<'_>) -> Decoded<(MaybeSpace, Type, usize)> {
    opcode.ignore(IGNORED);
    let space = opcode.space();
    let lanes = match (opcode.take("v2"), opcode.take("v4")) {
        (true, _) => 2,
        (_, true) => 4,
        _ => 1,
    };
    let ty = opcode.ty()?;
    match ty.size() * lanes <= 16 && ty.size() <= 8 {
        true => Ok((space, ty, lanes)),
        false => Err("more than 16 bytes at once".into()),
    }
}

fn operation(modifier: &str) -> Option<Atomic> {
    Some(match modifier {
        "add" => Atomic::Add,
        "min" => Atomic::Min,
        "max" => Atomic::Max,
        "and" => Atomic::And,
        "or" => Atomic::Or,
        "xor" => Atomic::Xor,
        "exch" => Atomic::Exchange,
        "cas" => Atomic::CompareExchange,
        "inc" => Atomic::Increment,
        "dec" => Atomic::Decrement,
        _ => return None,
    })
}
