//! Float arithmetic.

use super::Decoder;
use super::opcode::{Decoded, Opcode};
use crate::float::Rounding;
use crate::op::{Float, FloatMode, Op};
use crate::parse::Operand;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn float_arithmetic(
        &mut self,
        opcode: &mut Opcode<'_>,
        operands: &[Operand<'_>],
    ) -> Decoded<Option<Op>> {
        let Some(op) = operation(opcode.name) else { return Ok(None) };
        let mode = FloatMode {
            rounding: opcode.rounding().unwrap_or_default(),
            flush: opcode.take("ftz"),
            saturate: opcode.take("sat"),
            relu: opcode.take("relu"),
            nan: opcode.take("NaN"),
        };
        // Approximations are computed as precisely as f32 can tell, which is more than is promised;
        // 16-bit results outside f32's normal range never arise.
        opcode.ignore(&["approx", "full", "noftz"]);
        let ty = opcode.ty()?;
        if !ty.is_float() {
            return Err(format!("the emulator doesn't know it for {ty:?}"));
        }
        let directed = mode.rounding != Rounding::Nearest;
        let known = [Float::Add, Float::Sub, Float::Mul, Float::Div, Float::Rcp, Float::Sqrt];
        if ty == Type::F64 && directed && !known.contains(&op) {
            return Err("the emulator rounds this f64 to the nearest only".into());
        }
        let (d, abc) = self.d_abc(operands)?;
        Ok(Some(Op::Float { op, ty, mode, d, abc }))
    }
}

fn operation(name: &str) -> Option<Float> {
    Some(match name {
        "add" => Float::Add,
        "sub" => Float::Sub,
        "mul" => Float::Mul,
        "fma" | "mad" => Float::Fma,
        "div" => Float::Div,
        "min" => Float::Min,
        "max" => Float::Max,
        "abs" => Float::Abs,
        "neg" => Float::Neg,
        "rcp" => Float::Rcp,
        "sqrt" => Float::Sqrt,
        "rsqrt" => Float::Rsqrt,
        "ex2" => Float::Ex2,
        "lg2" => Float::Lg2,
        "sin" => Float::Sin,
        "cos" => Float::Cos,
        "tanh" => Float::Tanh,
        "copysign" => Float::CopySign,
        _ => return None,
    })
}
