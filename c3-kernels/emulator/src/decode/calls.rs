//! Calls of device functions, decoded in place.

use super::scope::Scope;
use super::{Decoder, Symbol, allocate};
use crate::Result;
use crate::error::Space;
use crate::op::{Address, Instruction, Op, Pred, Reg};
use crate::parse::{Operand, Place, Variable};

use super::opcode::Decoded;

/// Calls within calls; more are taken for recursion, which can't be decoded in place.
const DEPTH: usize = 32;

impl Decoder<'_> {
    pub(super) fn call(
        &mut self,
        guard: Option<Pred>,
        operands: &[Operand<'_>],
        line: u32,
    ) -> Result<()> {
        let (returns, name, arguments) = match operands {
            [Operand::List(returns), Operand::Name(name), Operand::List(arguments), ..] => {
                (returns.as_slice(), *name, arguments.as_slice())
            }
            [Operand::List(returns), Operand::Name(name)] => (returns.as_slice(), *name, &[][..]),
            [Operand::Name(name), Operand::List(arguments), ..] => {
                (&[][..], *name, arguments.as_slice())
            }
            [Operand::Name(name)] => (&[][..], *name, &[][..]),
            _ => return Err(self.unsupported(line, "an unknown form of call".into())),
        };
        if matches!(name, "__assertfail" | "__assert_fail") {
            self.instructions.push(Instruction { guard, op: Op::Assertion, line });
            return Ok(());
        }
        let source = self.source;
        let function = source.functions.get(name).filter(|function| function.body.is_some());
        let Some(function) = function else {
            return Err(self.unsupported(line, format!("a call of {name}, which isn't there")));
        };
        if self.calls.len() > DEPTH {
            return Err(self.unsupported(line, "recursion".into()));
        }
        let skip = self.instructions.len();
        if let Some(Pred { index, negated }) = guard {
            let guard = Some(Pred { index, negated: !negated });
            self.instructions.push(Instruction { guard, op: Op::Branch(skip), line });
        }
        let (mut scope, mut results) = (Scope::default(), Vec::new());
        let bound = self
            .bind(&function.params, arguments, &mut scope, line)
            .and_then(|()| self.bind_returns(&function.returns, returns, &mut scope, &mut results));
        bound.map_err(|what| self.unsupported(line, what))?;
        self.inline(name, function, scope)?;
        for (d, a) in results {
            self.instructions.push(Instruction { guard: None, op: Op::Move { d, a }, line });
        }
        let end = self.instructions.len();
        if guard.is_some() {
            self.instructions[skip].op = Op::Branch(end);
        }
        Ok(())
    }

    /// Gives the function's parameters their values: names for the caller's memory, or registers.
    fn bind(
        &mut self,
        params: &[Variable],
        arguments: &[Operand<'_>],
        scope: &mut Scope,
        line: u32,
    ) -> Decoded<()> {
        if params.len() != arguments.len() {
            return Err(format!("expected {} arguments", params.len()));
        }
        for (param, argument) in params.iter().zip(arguments) {
            let known = match argument {
                Operand::Name(name) => self.symbol(name),
                _ => None,
            };
            let (symbol, op) = match (param.place, known) {
                (Place::Param, Some(symbol @ Symbol::Variable(Space::Local, _))) => {
                    (symbol, Op::Nop)
                }
                (Place::Param, _) => {
                    let at = allocate(&mut self.local, param);
                    let base = self.registers.start(super::Start::Value(at));
                    let (space, ty) = (Some(Space::Local), param.ty);
                    let (at_address, values) =
                        (Address { base, offset: 0 }, [self.value(argument)?].into());
                    let store = Op::Store { space, ty, values, at: at_address };
                    (Symbol::Variable(Space::Local, at), store)
                }
                (_, Some(Symbol::Pred(index))) => {
                    let d = self.registers.predicate();
                    let a = Pred { index, negated: false };
                    (Symbol::Pred(d), Op::PredMove { d, a })
                }
                _ => {
                    let (d, a) = (self.registers.fresh(), self.value(argument)?);
                    (Symbol::Reg(d), Op::Move { d, a })
                }
            };
            scope.symbols.insert(param.name.clone(), symbol);
            self.instructions.push(Instruction { guard: None, op, line });
        }
        Ok(())
    }

    fn bind_returns(
        &mut self,
        formal: &[Variable],
        actual: &[Operand<'_>],
        scope: &mut Scope,
        results: &mut Vec<(Reg, Reg)>,
    ) -> Decoded<()> {
        for (variable, operand) in formal.iter().zip(actual) {
            let Operand::Name(name) = operand else { return Err("expected a result".into()) };
            let symbol = match (variable.place, self.symbol(name)) {
                (Place::Param, Some(symbol @ Symbol::Variable(Space::Local, _))) => symbol,
                (Place::Register, Some(Symbol::Reg(d))) => {
                    let own = self.registers.fresh();
                    results.push((d, own));
                    Symbol::Reg(own)
                }
                _ => return Err(format!("a result in {name}")),
            };
            scope.symbols.insert(variable.name.clone(), symbol);
        }
        Ok(())
    }
}
