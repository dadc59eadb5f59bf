//! Conversions between types and between address spaces.

use super::Decoder;
use super::opcode::{Decoded, Opcode};
use super::statement::exactly;
use crate::float::Rounding;
use crate::op::{Conversion, Op};
use crate::parse::Operand;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn conversion(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        match opcode.name {
            "cvt" => self.cvt(opcode, operands).map(Some),
            "cvta" => self.cvta(opcode, operands).map(Some),
            "isspacep" => {
                let space = opcode.space().ok_or("no space to ask for")?;
                let [d, a] = exactly(operands)?;
                Ok(Some(Op::IsSpace { space, d: self.pred(d)?.index, a: self.value(a)? }))
            }
            _ => Ok(None),
        }
    }

    fn cvt(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let integral = opcode.find(integral);
        let mode = Conversion {
            rounding: integral.or_else(|| opcode.rounding()).unwrap_or_default(),
            integral: integral.is_some(),
            flush: opcode.take("ftz"),
            saturate: opcode.take("sat"),
            relu: opcode.take("relu"),
        };
        if opcode.take("tf32") {
            let (_, [d, a]) = (opcode.ty()?, exactly(operands)?);
            return Ok(Op::ConvertTf32 { mode, d: self.target(d)?, a: self.value(a)? });
        }
        let (to, from) = (opcode.ty()?, opcode.ty()?);
        if to == Type::F64 && from != Type::F64 && mode.rounding != Rounding::Nearest {
            return Err("f64 is only rounded to the nearest".into());
        }
        match (to.half(), operands) {
            (Some(_), [d, high, low]) if from == Type::F32 => {
                let (high, low) = (self.value(high)?, self.value(low)?);
                Ok(Op::ConvertPair { to, mode, d: self.target(d)?, high, low })
            }
            (None, [d, a]) if from.half().is_none() => {
                Ok(Op::Convert { to, from, mode, d: self.target(d)?, a: self.value(a)? })
            }
            _ => Err("an unknown conversion".into()),
        }
    }

    fn cvta(&mut self, opcode: &mut Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let from_generic = opcode.take("to");
        let space = opcode.space().ok_or("no space to convert to or from")?;
        let (_, [d, a]) = (opcode.ty()?, exactly(operands)?);
        let (d, a) = (self.target(d)?, self.value(a)?);
        Ok(match from_generic {
            true => Op::FromGeneric { space, d, a },
            false => Op::ToGeneric { space, d, a },
        })
    }
}

/// Rounding to an integer.
fn integral(modifier: &str) -> Option<Rounding> {
    Some(match modifier {
        "rni" => Rounding::Nearest,
        "rzi" => Rounding::Zero,
        "rmi" => Rounding::Down,
        "rpi" => Rounding::Up,
        _ => return None,
    })
}
