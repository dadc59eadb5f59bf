//! The statements of a function's body.

use super::opcode::{Decoded, Opcode};
use super::registers::special;
use super::{Call, Decoder, Scope, Start, Symbol};
use crate::Result;
use crate::error::Space;
use crate::op::{Address, Instruction, Op, Pred, Reg};
use crate::parse::{Cursor, Function, Operand, TokenKind, operands, place, variables};

impl Decoder<'_> {
    /// Decodes the body of a function; `ret` goes to its end.
    pub(super) fn body(&mut self, name: &str, function: &Function) -> Result<()> {
        let Some(range) = function.body.clone() else {
            return Err(self.unsupported(0, format!("function {name} has no body")));
        };
        self.calls.push(Call { name: name.to_owned(), returns: Vec::new() });
        let mut cursor = Cursor::new(self.text, &self.source.tokens[range]);
        while !cursor.is_at_end() {
            self.statement(&mut cursor)?;
        }
        let end = self.instructions.len();
        if let Some(call) = self.calls.pop() {
            for at in call.returns {
                self.instructions[at].op = Op::Branch(end);
            }
        }
        Ok(())
    }

    /// Decodes a kernel's own body, which ends with the thread's exit.
    pub(super) fn outermost(&mut self, function: &Function, params: Scope) -> Result<()> {
        self.inline(self.kernel, function, params)?;
        let (guard, op, line) = (None, Op::Exit, 0);
        self.instructions.push(Instruction { guard, op, line });
        Ok(())
    }

    fn statement(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let line = cursor.line();
        if cursor.take(b'{') {
            self.scopes.push(Scope::default());
            return Ok(());
        }
        if cursor.take(b'}') {
            let inner = self.scopes.pop().unwrap_or_default();
            return self.resolve(inner).map_err(|what| self.unsupported(line, what));
        }
        if cursor.take(b';') {
            return Ok(());
        }
        let is_label = cursor.kind() == Some(TokenKind::Word)
            && cursor.kind_after(1) == Some(TokenKind::Sign(b':'));
        if is_label {
            let label = cursor.next();
            cursor.next();
            return self.label(cursor, label);
        }
        if place(cursor.peek()).is_some() {
            for variable in variables(cursor)? {
                self.declare(&variable).map_err(|what| self.unsupported(line, what))?;
            }
            return Ok(());
        }
        match cursor.peek() {
            ".pragma" => cursor.skip_past(b';'),
            ".loc" | ".file" => {
                while cursor.line() == line && !cursor.is_at_end() {
                    cursor.next();
                }
                Ok(())
            }
            _ => self.instruction(cursor, line),
        }
    }

    fn label(&mut self, cursor: &mut Cursor<'_>, label: &str) -> Result<()> {
        let here = self.instructions.len();
        let mut table = Vec::new();
        if cursor.take_word(".branchtargets") {
            for target in operands(cursor)? {
                if let Operand::Name(name) = target {
                    table.push(name.to_owned());
                }
            }
        }
        // Prototypes say how a function is called whose address is in a register.
        if cursor.peek() == ".callprototype" {
            return cursor.skip_past(b';');
        }
        if let Some(scope) = self.scopes.last_mut() {
            match table.is_empty() {
                true => drop(scope.labels.insert(label.to_owned(), here)),
                false => drop(scope.tables.insert(label.to_owned(), table)),
            }
        }
        Ok(())
    }

    /// Points branches of a scope that has ended at its labels. Other labels may be those of the
    /// scope around it; without one, they aren't there.
    fn resolve(&mut self, scope: Scope) -> Decoded<()> {
        for (at, which, label) in scope.pending {
            let target = match (scope.labels.get(&label), self.scopes.last_mut()) {
                (Some(&target), _) => target,
                (None, Some(around)) => {
                    around.pending.push((at, which, label));
                    continue;
                }
                (None, None) => return Err(format!("there is no label {label}")),
            };
            match &mut self.instructions[at].op {
                Op::Branch(to) => *to = target,
                Op::Switch { targets, .. } => targets[which] = target,
                _ => {}
            }
        }
        Ok(())
    }

    /// Decodes a function within scopes of its own.
    pub(super) fn inline(&mut self, name: &str, function: &Function, own: Scope) -> Result<()> {
        let callers = std::mem::replace(&mut self.scopes, vec![own]);
        self.body(name, function)?;
        let line = self.instructions.last().map_or(0, |last| last.line);
        if let Some(own) = self.scopes.pop() {
            self.resolve(own).map_err(|what| self.unsupported(line, what))?;
        }
        self.scopes = callers;
        Ok(())
    }

    fn instruction(&mut self, cursor: &mut Cursor<'_>, line: u32) -> Result<()> {
        let mut guard = None;
        if cursor.take(b'@') {
            let negated = cursor.take(b'!');
            let name = cursor.word()?;
            let index = self.pred_index(name).map_err(|what| self.unsupported(line, what))?;
            guard = Some(Pred { index, negated });
        }
        let opcode = Opcode::new(cursor.word()?);
        let operands = operands(cursor)?;
        if opcode.name == "call" {
            return self.call(guard, &operands, line);
        }
        let op = self.op(opcode, &operands).map_err(|what| self.unsupported(line, what))?;
        self.instructions.push(Instruction { guard, op, line });
        Ok(())
    }

    fn op(&mut self, mut opcode: Opcode<'_>, operands: &[Operand<'_>]) -> Decoded<Op> {
        let families = [
            Self::arithmetic,
            Self::float_arithmetic,
            Self::selection,
            Self::conversion,
            Self::memory_access,
            Self::warp_wide,
            Self::control_flow,
        ];
        for family in families {
            if let Some(op) = family(self, &mut opcode, operands)? {
                opcode.finish()?;
                return Ok(op);
            }
        }
        Err("the emulator doesn't know this instruction".into())
    }

    pub(super) fn pred_index(&self, name: &str) -> Decoded<u32> {
        match self.symbol(name) {
            Some(Symbol::Pred(index)) => Ok(index),
            _ => Err(format!("{name} is no predicate")),
        }
    }

    pub(super) fn pred(&mut self, operand: &Operand<'_>) -> Decoded<Pred> {
        match *operand {
            Operand::Name(name) => Ok(Pred { index: self.pred_index(name)?, negated: false }),
            Operand::Not(name) => Ok(Pred { index: self.pred_index(name)?, negated: true }),
            _ => Err("expected a predicate".into()),
        }
    }

    /// A register that an instruction writes.
    pub(super) fn target(&self, operand: &Operand<'_>) -> Decoded<Reg> {
        match operand {
            Operand::Name(name) => match self.symbol(name) {
                Some(Symbol::Reg(reg)) => Ok(reg),
                _ => Err(format!("{name} is no register")),
            },
            _ => Err("expected a register".into()),
        }
    }

    /// The same, where `_` means that nobody wants the result.
    pub(super) fn maybe_target(&self, operand: &Operand<'_>) -> Decoded<Option<Reg>> {
        match operand {
            Operand::Name("_") => Ok(None),
            _ => self.target(operand).map(Some),
        }
    }

    /// A register that an instruction reads, which may hold a literal or an address.
    pub(super) fn value(&mut self, operand: &Operand<'_>) -> Decoded<Reg> {
        match *operand {
            Operand::Number(bits) => Ok(self.registers.start(Start::Value(bits))),
            Operand::Name(name) => self.named(name, 0),
            Operand::Sum(name, offset) => self.named(name, offset),
            _ => Err("expected a register or a number".into()),
        }
    }

    fn named(&mut self, name: &str, offset: i64) -> Decoded<Reg> {
        match self.symbol(name) {
            Some(Symbol::Reg(reg)) if offset == 0 => Ok(reg),
            Some(Symbol::Variable(_, at)) => {
                Ok(self.registers.start(Start::Value(at.wrapping_add(offset as u64))))
            }
            Some(Symbol::DynamicShared) if offset == 0 => {
                Ok(self.registers.start(Start::DynamicShared))
            }
            _ => match special(name) {
                Some(start) if offset == 0 => Ok(self.registers.start(start)),
                _ => Err(format!("{name} is not known here")),
            },
        }
    }

    /// An address, and the part of memory if it is that of a variable.
    pub(super) fn address(&mut self, operand: &Operand<'_>) -> Decoded<(Address, Option<Space>)> {
        let &Operand::Address(base, offset) = operand else {
            return Err("expected an address".into());
        };
        let Some(name) = base else {
            let base = self.registers.start(Start::Value(0));
            return Ok((Address { base, offset }, None));
        };
        let space = match self.symbol(name) {
            Some(Symbol::Variable(space, _)) => Some(space),
            Some(Symbol::DynamicShared) => Some(Space::Shared),
            _ => None,
        };
        Ok((Address { base: self.named(name, 0)?, offset }, space))
    }

    /// The registers of a vector, or a single one.
    pub(super) fn values(&mut self, operand: &Operand<'_>) -> Decoded<Box<[Reg]>> {
        match operand {
            Operand::Vector(parts) => parts.iter().map(|part| self.value(part)).collect(),
            single => Ok([self.value(single)?].into()),
        }
    }

    /// The registers of a vector that is written, or a single one.
    pub(super) fn targets(&mut self, operand: &Operand<'_>) -> Decoded<Box<[Option<Reg>]>> {
        match operand {
            Operand::Vector(parts) => parts.iter().map(|part| self.maybe_target(part)).collect(),
            single => Ok([self.maybe_target(single)?].into()),
        }
    }
}

/// The operands, if there are so many.
pub(super) fn exactly<'o, 'a, const N: usize>(
    operands: &'o [Operand<'a>],
) -> Decoded<&'o [Operand<'a>; N]> {
    operands.try_into().map_err(|_| format!("expected {N} operands, found {}", operands.len()))
}
