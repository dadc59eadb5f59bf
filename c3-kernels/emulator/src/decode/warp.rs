//! Instructions that all lanes of a warp execute together.

use super::Decoder;
use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use crate::op::{Integer, Op, Pred, Shuffle, Vote};
use crate::parse::Operand;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn warp_wide(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        Ok(Some(match opcode.name {
            "shfl" => self.shuffle(opcode, operands)?,
            "vote" => self.vote(opcode, operands)?,
            "match" => {
                let (all, _) = (opcode.take("all"), opcode.take("any"));
                opcode.take("sync");
                let (ty, [d, a, mask]) = (opcode.ty()?, exactly(operands)?);
                let (d, valid) = self.pair(d)?;
                Op::Match { all, ty, d, valid, a: self.value(a)?, mask: self.value(mask)? }
            }
            "redux" => {
                opcode.take("sync");
                let op = opcode.find(reduction).ok_or("an unknown reduction")?;
                let (ty, [d, a, mask]) = (opcode.ty()?, exactly(operands)?);
                let (a, mask) = (self.value(a)?, self.value(mask)?);
                Op::ReduceWarp { op, ty, d: self.target(d)?, a, mask }
            }
            "activemask" => {
                let (_, [d]) = (opcode.ty()?, exactly(operands)?);
                Op::ActiveMask { d: self.target(d)? }
            }
            "ldmatrix" => self.load_matrix(opcode, operands)?,
            "mma" => self.multiply(opcode, operands)?,
            _ => return Ok(None),
        }))
    }

    /// A register and a predicate, `%r|%p`, of which the predicate may be missing.
    fn pair(&mut self, operand: &Operand<'_>) -> Decoded<(u32, Option<u32>)> {
        match operand {
            Operand::Pair(d, p) => Ok((self.target(&Operand::Name(d))?, self.maybe_pred(p)?)),
            d => Ok((self.target(d)?, None)),
        }
    }

    fn shuffle(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        if !opcode.take("sync") {
            return Err("a shuffle without .sync".into());
        }
        let kind = opcode.find(shuffle).ok_or("an unknown shuffle")?;
        let (_, [d, a, b, c, mask]) = (opcode.ty()?, exactly(operands)?);
        let (d, valid) = self.pair(d)?;
        let (a, b, c) = (self.value(a)?, self.value(b)?, self.value(c)?);
        Ok(Op::Shuffle { kind, d, valid, a, b, c, mask: self.value(mask)? })
    }

    fn vote(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        if !opcode.take("sync") {
            return Err("a vote without .sync".into());
        }
        let [d, a, mask] = exactly(operands)?;
        let (a, mask): (Pred, _) = (self.pred(a)?, self.value(mask)?);
        if opcode.take("ballot") {
            opcode.ty()?;
            return Ok(Op::Ballot { d: self.target(d)?, a, mask });
        }
        let kind = opcode.find(vote).ok_or("an unknown vote")?;
        opcode.ty()?;
        Ok(Op::Vote { kind, d: self.pred(d)?.index, a, mask })
    }

    fn load_matrix(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let count = match (opcode.take("x1"), opcode.take("x2"), opcode.take("x4")) {
            (true, ..) => 1,
            (_, true, _) => 2,
            (_, _, true) => 4,
            _ => return Err("an unknown number of matrices".into()),
        };
        if !opcode.take("m8n8") {
            return Err("matrices that aren't 8 by 8".into());
        }
        let transposed = opcode.take("trans");
        opcode.ignore(&["sync", "aligned", "shared", "shared::cta", "b16"]);
        let [d, at] = exactly(operands)?;
        let parts = match d {
            Operand::Vector(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let d = parts.iter().map(|part| self.target(part)).collect::<Decoded<Box<[_]>>>()?;
        match d.len() == count {
            true => Ok(Op::LoadMatrix { transposed, d, at: self.address(at)?.0 }),
            false => Err(format!("expected {count} registers")),
        }
    }

    fn multiply(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let k = match (opcode.take("m16n8k16"), opcode.take("m16n8k8")) {
            (true, _) => 16,
            (_, true) => 8,
            _ => return Err("a shape that the emulator doesn't know".into()),
        };
        opcode.ignore(&["sync", "aligned", "row", "col"]);
        let (sum, a, b, add) = (opcode.ty()?, opcode.ty()?, opcode.ty()?, opcode.ty()?);
        let half = a == b && matches!(a, Type::F16 | Type::Bf16);
        if !(half && sum == Type::F32 && add == Type::F32) {
            return Err("types that the emulator doesn't know".into());
        }
        let [d, x, y, c] = exactly(operands)?;
        let targets = self.targets(d)?.iter().copied().collect::<Option<Vec<_>>>();
        let d = targets.and_then(|d| <[u32; 4]>::try_from(d).ok()).ok_or("expected 4 registers")?;
        let c = self.values(c)?[..].try_into().map_err(|_| "expected 4 registers")?;
        let (x, y) = (self.values(x)?, self.values(y)?);
        match x.len() * 4 == k && y.len() * 8 == k {
            true => Ok(Op::MatrixMultiply { ty: a, d, a: x, b: y, c }),
            false => Err("another number of registers than the shape has".into()),
        }
    }
}

fn shuffle(modifier: &str) -> Option<Shuffle> {
    Some(match modifier {
        "up" => Shuffle::Up,
        "down" => Shuffle::Down,
        "bfly" => Shuffle::Butterfly,
        "idx" => Shuffle::Index,
        _ => return None,
    })
}

fn vote(modifier: &str) -> Option<Vote> {
    Some(match modifier {
        "all" => Vote::All,
        "any" => Vote::Any,
        "uni" => Vote::Uniform,
        _ => return None,
    })
}

fn reduction(modifier: &str) -> Option<Integer> {
    Some(match modifier {
        "add" => Integer::Add,
        "min" => Integer::Min,
        "max" => Integer::Max,
        "and" => Integer::And,
        "or" => Integer::Or,
        "xor" => Integer::Xor,
        _ => return None,
    })
}
