//! Statements to instructions. Calls of device functions are decoded in place.

mod arithmetic;
mod calls;
mod control;
mod convert;
mod float;
mod memory;
mod opcode;
mod registers;
mod scope;
mod select;
mod statement;
mod warp;

use std::collections::HashMap;

use opcode::Decoded;
use registers::Registers;
pub(crate) use registers::Start;
use scope::Scope;
pub(crate) use scope::Symbol;

use crate::error::Space;
use crate::op::Instruction;
use crate::parse::{Form, Function, Place, Source, Variable};
use crate::{Error, Result};

/// The most bytes of local memory that a thread of any device has.
const LOCAL: usize = 512 << 10;
/// More registers than any kernel declares at once.
const REGISTERS: usize = 1 << 20;

/// A kernel's code, and what running it takes.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) registers: usize,
    pub(crate) predicates: usize,
    /// Registers that hold something before the kernel starts.
    pub(crate) starts: Vec<(u32, Start)>,
    /// Offset and size of each parameter.
    pub(crate) params: Vec<(usize, usize)>,
    /// Bytes of static shared memory; the dynamic one begins after them.
    pub(crate) shared: usize,
    /// Bytes of local memory of a thread.
    pub(crate) local: usize,
    /// The fewest bytes that an access to shared memory may have.
    pub(crate) shared_grain: usize,
}

/// What decoding one kernel builds up.
struct Decoder<'a> {
    kernel: &'a str,
    text: &'a str,
    source: &'a Source,
    /// Variables of the module.
    globals: &'a HashMap<String, Symbol>,
    registers: Registers,
    scopes: Vec<Scope>,
    instructions: Vec<Instruction>,
    /// Shared variables of functions exist once, however often a function is decoded.
    statics: HashMap<(String, String), Symbol>,
    shared: usize,
    local: usize,
    shared_grain: usize,
    /// Functions being decoded, innermost last, with where their `ret` must branch to.
    calls: Vec<Call>,
}

/// A function that is being decoded.
struct Call {
    name: String,
    /// Branches that must go to its end.
    returns: Vec<usize>,
}

/// Decodes a kernel.
pub(crate) fn kernel(
    text: &str,
    source: &Source,
    globals: &HashMap<String, Symbol>,
    shared: usize,
    name: &str,
    function: &Function,
) -> Result<Code> {
    let mut decoder = Decoder {
        kernel: name,
        text,
        source,
        globals,
        registers: Registers::default(),
        scopes: Vec::new(),
        instructions: Vec::new(),
        statics: HashMap::new(),
        shared,
        local: 0,
        shared_grain: 16,
        calls: Vec::new(),
    };
    let (params, scope) = kernel_params(&function.params);
    decoder.outermost(function, scope)?;
    Ok(Code {
        instructions: decoder.instructions,
        registers: decoder.registers.count(),
        predicates: decoder.registers.predicates(),
        starts: decoder.registers.starts(),
        params,
        shared: decoder.shared.next_multiple_of(16),
        local: decoder.local.next_multiple_of(16),
        shared_grain: decoder.shared_grain,
    })
}

/// Where a kernel's parameters lie, and their names.
fn kernel_params(params: &[Variable]) -> (Vec<(usize, usize)>, Scope) {
    let (mut end, mut found, mut scope) = (0, Vec::new(), Scope::default());
    for param in params {
        let at = allocate(&mut end, param);
        found.push((at as usize, param.size()));
        scope.symbols.insert(param.name.clone(), Symbol::Variable(Space::Param, at));
    }
    (found, scope)
}

impl Decoder<'_> {
    fn define(&mut self, name: &str, symbol: Symbol) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.symbols.insert(name.to_owned(), symbol);
        }
    }

    fn symbol(&self, name: &str) -> Option<Symbol> {
        let inner = self.scopes.iter().rev().find_map(|scope| scope.symbols.get(name));
        inner.or_else(|| self.globals.get(name)).copied()
    }

    /// Declares a variable of a function's body.
    fn declare(&mut self, variable: &Variable) -> Decoded<()> {
        let Variable { place, ty, name, .. } = variable;
        match place {
            Place::Register if variable.count > REGISTERS => {
                return Err(format!("more than {REGISTERS} registers"));
            }
            Place::Register => self.declare_registers(variable),
            Place::Local | Place::Param => {
                let at = allocate(&mut self.local, variable);
                if self.local > LOCAL {
                    return Err(format!("more than {LOCAL} bytes of local memory"));
                }
                self.define(name, Symbol::Variable(Space::Local, at));
            }
            Place::Shared if variable.form == Form::Unsized => {
                self.define(name, Symbol::DynamicShared);
            }
            Place::Shared => {
                let function = self.calls.last().map_or("", |call| &call.name);
                let key = (function.to_owned(), name.clone());
                let symbol = match self.statics.get(&key) {
                    Some(&symbol) => symbol,
                    None => {
                        let at = allocate(&mut self.shared, variable);
                        Symbol::Variable(Space::Shared, at)
                    }
                };
                self.statics.insert(key, symbol);
                self.define(name, symbol);
            }
            Place::Global | Place::Const => {
                return Err(format!("a {ty:?} variable of the module within a function"));
            }
        }
        Ok(())
    }

    fn declare_registers(&mut self, variable: &Variable) {
        let Variable { ty, name, count, .. } = variable;
        match variable.form {
            Form::Numbered => (0..*count).for_each(|i| {
                let symbol = self.registers.declare(*ty);
                self.define(&format!("{name}{i}"), symbol);
            }),
            _ => {
                let symbol = self.registers.declare(*ty);
                self.define(name, symbol);
            }
        }
    }

    fn unsupported(&self, line: u32, what: String) -> Error {
        let kernel = self.kernel.to_owned();
        let instruction = crate::module::line(self.text, line);
        Error::Unsupported { kernel, line, instruction, what }
    }
}

/// Finds room for a variable after all others.
pub(crate) fn allocate(end: &mut usize, variable: &Variable) -> u64 {
    let at = end.next_multiple_of(variable.align);
    *end = at + variable.size();
    at as u64
}
