//! Integer arithmetic and operations on bits.

use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use super::{Decoder, Start};
use crate::op::{Integer, Logic, Mix, Op, Permute, Reg};
use crate::parse::Operand;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn arithmetic(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        let Some(family) = family(opcode.name) else { return Ok(None) };
        // Names that integers share with floats: the last type decides.
        let mut probe = opcode.clone();
        let ty = match family {
            Family::Lop3 | Family::Shf | Family::Prmt => Type::B32,
            _ => probe.last_ty()?,
        };
        if ty.is_float() {
            return Ok(None);
        }
        match family {
            Family::Logic(op, logic) => self.logic(op, logic, opcode, operands).map(Some),
            Family::Plain(op) => self.plain(op, opcode, operands).map(Some),
            Family::Carry(op) => self.carry(op, opcode, operands).map(Some),
            Family::Mul | Family::Mad | Family::Mul24 | Family::Mad24 => {
                let op = product(&family, opcode);
                match opcode.take("cc") || opcode.name == "madc" {
                    true => self.carry_with(op, true, opcode, operands).map(Some),
                    false => self.plain(op, opcode, operands).map(Some),
                }
            }
            Family::Bfi => {
                let (ty, [d, a, b, c, e]) = (opcode.ty()?, exactly(operands)?);
                let abcd = [self.value(a)?, self.value(b)?, self.value(c)?, self.value(e)?];
                Ok(Some(Op::BitInsert { ty, d: self.target(d)?, abcd }))
            }
            Family::Lop3 | Family::Shf | Family::Prmt | Family::Dp4a => {
                self.mix(&family, opcode, operands).map(Some)
            }
        }
    }

    fn logic(
        &mut self,
        op: Integer,
        logic: Option<Logic>,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Op> {
        if !opcode.take("pred") {
            return self.plain(op, opcode, operands);
        }
        let [Operand::Name(d), rest @ ..] = operands else {
            return Err("expected a predicate".into());
        };
        let d = self.pred_index(d)?;
        match (logic, rest) {
            (None, [a]) => {
                let mut a = self.pred(a)?;
                a.negated = !a.negated;
                Ok(Op::PredMove { d, a })
            }
            (Some(op), [a, b]) => Ok(Op::PredLogic { op, d, a: self.pred(a)?, b: self.pred(b)? }),
            _ => Err("expected predicates".into()),
        }
    }

    /// `d = op(a)`, `op(a, b)` or `op(a, b, c)`.
    fn plain(
        &mut self,
        op: Integer,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Op> {
        if opcode.take("cc") {
            return self.carry_with(op, true, opcode, operands);
        }
        let op = match op {
            Integer::Bfind if opcode.take("shiftamt") => Integer::BfindShift,
            op => op,
        };
        let saturate = opcode.take("sat");
        let ty = opcode.ty()?;
        if saturate && !(ty == Type::S32 && matches!(op, Integer::Add | Integer::Sub)) {
            return Err("the emulator doesn't know .sat here".into());
        }
        let (d, abc) = self.d_abc(operands)?;
        Ok(Op::Integer { op, ty, saturate, d, abc })
    }

    fn carry(
        &mut self,
        op: Integer,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Op> {
        let writes = opcode.take("cc");
        self.carry_with(op, writes, opcode, operands)
    }

    fn carry_with(
        &mut self,
        op: Integer,
        writes: bool,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Op> {
        let reads = matches!(opcode.name, "addc" | "subc" | "madc");
        let writes = writes || opcode.take("cc");
        let ty = opcode.ty()?;
        let (d, abc) = self.d_abc(operands)?;
        Ok(Op::Carry { op, ty, d, abc, reads, writes })
    }

    /// A target and up to three values; absent ones are zero.
    pub(super) fn d_abc(&mut self, operands: &[Operand<'_>]) -> Decoded<(Reg, [Reg; 3])> {
        if !(2..=4).contains(&operands.len()) {
            return Err(format!("expected 2 to 4 operands, found {}", operands.len()));
        }
        let mut abc = [self.registers.start(Start::Value(0)); 3];
        for (reg, operand) in abc.iter_mut().zip(&operands[1..]) {
            *reg = self.value(operand)?;
        }
        Ok((self.target(&operands[0])?, abc))
    }

    fn mix(
        &mut self,
        family: &Family,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Op> {
        let mut operands = operands;
        let op = match family {
            Family::Lop3 => {
                let Some((Operand::Number(table @ 0..=255), rest)) = operands.split_last() else {
                    return Err("expected a truth table".into());
                };
                operands = rest;
                Mix::Lop3(*table as u8)
            }
            Family::Shf => {
                let left = opcode.take("l");
                let clamp = opcode.take("clamp");
                opcode.ignore(&["r", "wrap"]);
                match left {
                    true => Mix::FunnelLeft { clamp },
                    false => Mix::FunnelRight { clamp },
                }
            }
            Family::Dp4a => {
                let (a, b) = (opcode.ty()?, opcode.ty()?);
                let (d, abc) = self.d_abc(operands)?;
                return Ok(Op::Mix { op: Mix::Dp4a(a.is_signed(), b.is_signed()), d, abc });
            }
            _ => Mix::Prmt(opcode.find(permute).unwrap_or(Permute::Index)),
        };
        match opcode.ty()?.size() {
            4 => {
                let (d, abc) = self.d_abc(operands)?;
                Ok(Op::Mix { op, d, abc })
            }
            _ => Err("expected 32 bits".into()),
        }
    }
}

/// How an instruction is decoded.
enum Family {
    Plain(Integer),
    /// Also on predicates.
    Logic(Integer, Option<Logic>),
    /// Reads the carry flag.
    Carry(Integer),
    Mul,
    Mad,
    Mul24,
    Mad24,
    Bfi,
    Lop3,
    Shf,
    Prmt,
    Dp4a,
}

fn family(name: &str) -> Option<Family> {
    Some(match name {
        "add" => Family::Plain(Integer::Add),
        "sub" => Family::Plain(Integer::Sub),
        "addc" => Family::Carry(Integer::Add),
        "subc" => Family::Carry(Integer::Sub),
        "mul" => Family::Mul,
        "mad" | "madc" => Family::Mad,
        "mul24" => Family::Mul24,
        "mad24" => Family::Mad24,
        "div" => Family::Plain(Integer::Div),
        "rem" => Family::Plain(Integer::Rem),
        "min" => Family::Plain(Integer::Min),
        "max" => Family::Plain(Integer::Max),
        "abs" => Family::Plain(Integer::Abs),
        "neg" => Family::Plain(Integer::Neg),
        "cnot" => Family::Plain(Integer::CNot),
        "sad" => Family::Plain(Integer::Sad),
        "shl" => Family::Plain(Integer::Shl),
        "shr" => Family::Plain(Integer::Shr),
        "popc" => Family::Plain(Integer::Popc),
        "clz" => Family::Plain(Integer::Clz),
        "brev" => Family::Plain(Integer::Brev),
        "bfind" => Family::Plain(Integer::Bfind),
        "bfe" => Family::Plain(Integer::Bfe),
        "and" => Family::Logic(Integer::And, Some(Logic::And)),
        "or" => Family::Logic(Integer::Or, Some(Logic::Or)),
        "xor" => Family::Logic(Integer::Xor, Some(Logic::Xor)),
        "not" => Family::Logic(Integer::Not, None),
        "bfi" => Family::Bfi,
        "lop3" => Family::Lop3,
        "shf" => Family::Shf,
        "prmt" => Family::Prmt,
        "dp4a" => Family::Dp4a,
        _ => return None,
    })
}

/// Which part of a product is wanted.
fn product(family: &Family, opcode: &mut Opcode<'_>) -> Integer {
    let (wide, high) = (opcode.take("wide"), opcode.take("hi"));
    opcode.ignore(&["lo"]);
    match (family, wide, high) {
        (Family::Mul, true, _) => Integer::MulWide,
        (Family::Mul, _, true) => Integer::MulHigh,
        (Family::Mul, ..) => Integer::MulLow,
        (Family::Mul24, _, true) => Integer::Mul24High,
        (Family::Mul24, ..) => Integer::Mul24Low,
        (Family::Mad24, _, true) => Integer::Mad24High,
        (Family::Mad24, ..) => Integer::Mad24Low,
        (_, true, _) => Integer::MadWide,
        (_, _, true) => Integer::MadHigh,
        _ => Integer::MadLow,
    }
}

fn permute(modifier: &str) -> Option<Permute> {
    Some(match modifier {
        "f4e" => Permute::F4e,
        "b4e" => Permute::B4e,
        "rc8" => Permute::Rc8,
        "ecl" => Permute::Ecl,
        "ecr" => Permute::Ecr,
        "rc16" => Permute::Rc16,
        _ => return None,
    })
}
