//! Moves, comparisons and selections.

use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use super::{Decoder, Start};
use crate::op::{Comparison, Logic, Op, SetPredicate, Test};
use crate::parse::Operand;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn selection(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        Ok(Some(match opcode.name {
            "mov" => self.mov(opcode, operands)?,
            "selp" => {
                let (_, [d, a, b, p]) = (opcode.ty()?, exactly(operands)?);
                let (a, b) = (self.value(a)?, self.value(b)?);
                Op::Select { d: self.target(d)?, a, b, p: self.pred(p)? }
            }
            "slct" => {
                opcode.take("ftz");
                let (_, ty, [d, a, b, c]) = (opcode.ty()?, opcode.ty()?, exactly(operands)?);
                let (a, b, c) = (self.value(a)?, self.value(b)?, self.value(c)?);
                Op::SelectBySign { d: self.target(d)?, a, b, c, ty }
            }
            "setp" => Op::SetPredicate(self.comparison(opcode, operands, true)?),
            "set" => {
                let to = opcode.ty()?;
                let compare = self.comparison(opcode, operands, false)?;
                Op::Set { compare, d: self.target(&operands[0])?, to }
            }
            "testp" => {
                let test = opcode.find(test).ok_or("a test that the emulator doesn't know")?;
                let (ty, [d, a]) = (opcode.ty()?, exactly(operands)?);
                Op::Test { test, ty, d: self.pred(d)?.index, a: self.value(a)? }
            }
            _ => return Ok(None),
        }))
    }

    fn mov(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let (ty, [d, a]) = (opcode.ty()?, exactly(operands)?);
        if ty == Type::B128 {
            return Err("registers of 128 bits".into());
        }
        match (d, a) {
            (_, Operand::Number(bits)) if ty == Type::Pred => {
                // A comparison of a register with itself is true, its negation false.
                let zero = self.registers.start(Start::Value(0));
                let always = self.pred(d)?.index;
                let comparison = if *bits != 0 { Comparison::Eq } else { Comparison::Ne };
                let (d, combine) = ([Some(always), None], None);
                let (a, b, ty, flush) = (zero, zero, Type::U32, false);
                Ok(Op::SetPredicate(SetPredicate { comparison, ty, flush, a, b, d, combine }))
            }
            _ if ty == Type::Pred => Ok(Op::PredMove { d: self.pred(d)?.index, a: self.pred(a)? }),
            (Operand::Vector(parts), _) => {
                let bits = ty.bits() / parts.len().max(1) as u32;
                Ok(Op::Unpack { parts: self.targets(d)?, a: self.value(a)?, bits })
            }
            (_, Operand::Vector(parts)) => {
                let bits = ty.bits() / parts.len().max(1) as u32;
                Ok(Op::Pack { d: self.target(d)?, parts: self.values(a)?, bits })
            }
            (_, Operand::Name("%clock" | "%clock64" | "%globaltimer" | "%globaltimer_lo")) => {
                Ok(Op::Clock { d: self.target(d)? })
            }
            _ => Ok(Op::Move { d: self.target(d)?, a: self.value(a)? }),
        }
    }

    fn comparison(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
        to_predicates: bool,
    ) -> Decoded<SetPredicate> {
        let comparison = opcode.find(comparison).ok_or("an unknown comparison")?;
        let logic = opcode.find(logic);
        let (flush, ty) = (opcode.take("ftz"), opcode.ty()?);
        let [d, a, b, rest @ ..] = operands else { return Err("expected 3 operands".into()) };
        let d = match d {
            _ if !to_predicates => [None; 2],
            Operand::Pair(p, q) => [self.maybe_pred(p)?, self.maybe_pred(q)?],
            d => [Some(self.pred(d)?.index), None],
        };
        let combine = match (logic, rest) {
            (None, []) => None,
            (Some(logic), [p]) => Some((logic, self.pred(p)?)),
            _ => return Err("a predicate to combine with, or none to combine".into()),
        };
        let (a, b) = (self.value(a)?, self.value(b)?);
        Ok(SetPredicate { comparison, ty, flush, a, b, d, combine })
    }

    pub(super) fn maybe_pred(&self, name: &str) -> Decoded<Option<u32>> {
        match name {
            "_" => Ok(None),
            name => self.pred_index(name).map(Some),
        }
    }
}

fn comparison(modifier: &str) -> Option<Comparison> {
    Some(match modifier {
        "eq" => Comparison::Eq,
        "ne" => Comparison::Ne,
        "lt" | "lo" => Comparison::Lt,
        "le" | "ls" => Comparison::Le,
        "gt" | "hi" => Comparison::Gt,
        "ge" | "hs" => Comparison::Ge,
        "equ" => Comparison::Equ,
        "neu" => Comparison::Neu,
        "ltu" => Comparison::Ltu,
        "leu" => Comparison::Leu,
        "gtu" => Comparison::Gtu,
        "geu" => Comparison::Geu,
        "num" => Comparison::Num,
        "nan" => Comparison::Nan,
        _ => return None,
    })
}

pub(super) fn logic(modifier: &str) -> Option<Logic> {
    Some(match modifier {
        "and" => Logic::And,
        "or" => Logic::Or,
        "xor" => Logic::Xor,
        _ => return None,
    })
}

fn test(modifier: &str) -> Option<Test> {
    Some(match modifier {
        "finite" => Test::Finite,
        "infinite" => Test::Infinite,
        "number" => Test::Number,
        "notanumber" => Test::NotANumber,
        "normal" => Test::Normal,
        "subnormal" => Test::Subnormal,
        _ => return None,
    })
}
