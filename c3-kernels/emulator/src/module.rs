//! Modules and their kernels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decode::{self, Code, Symbol, allocate};
use crate::error::Space;
use crate::exec;
use crate::memory::{Access, Buffer, MODULE_SLOTS, Memory, Table};
use crate::options::{Launch, Options};
use crate::parse::{self, Form, Function, Initial, Place, Source, Variable};
use crate::{Error, Result, Stats};

/// A module: the PTX of some kernels, with its variables.
#[derive(Debug)]
pub struct Module {
    text: String,
    source: Source,
    symbols: HashMap<String, Symbol>,
    variables: Table,
    /// Bytes of the module's own shared variables.
    shared: usize,
    decoded: Mutex<HashMap<String, Arc<Code>>>,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// If the text isn't PTX. Instructions are looked at when their kernel is asked for.
    pub fn parse(text: &str) -> Result<Self> {
        let source = parse::source(text)?;
        let (mut symbols, mut shared) = (HashMap::new(), 0);
        let mut variables = Table::new(MODULE_SLOTS);
        for variable in &source.variables {
            let symbol = match variable.place {
                Place::Shared if variable.form == Form::Unsized => Symbol::DynamicShared,
                Place::Shared => Symbol::Variable(Space::Shared, allocate(&mut shared, variable)),
                _ => global(variable, &symbols, &mut variables)?,
            };
            symbols.insert(variable.name.clone(), symbol);
        }
        let (text, decoded) = (text.to_owned(), Mutex::default());
        Ok(Self { text, source, symbols, variables, shared, decoded })
    }

    /// The names of all kernels, in no order.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        let functions = self.source.functions.iter();
        functions.filter(|(_, function)| function.is_kernel).map(|(name, _)| name.as_str())
    }

    /// A kernel, which is decoded when first asked for.
    ///
    /// # Errors
    /// If there is no such kernel, or it has an instruction that the emulator doesn't run.
    pub fn kernel(&self, name: &str) -> Result<Kernel<'_>> {
        let found = self.source.functions.get_key_value(name);
        let Some((name, function)) = found.filter(|(_, function)| function.is_kernel) else {
            let mut known: Vec<_> = self.kernels().collect();
            known.sort_unstable();
            return Err(Error::NoKernel { name: name.to_owned(), known: known.join(", ") });
        };
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let code = match decoded.get(name) {
            Some(code) => Arc::clone(code),
            None => {
                let (text, source) = (&self.text, &self.source);
                let code =
                    decode::kernel(text, source, &self.symbols, self.shared, name, function)?;
                let code = Arc::new(code);
                decoded.insert(name.clone(), Arc::clone(&code));
                code
            }
        };
        Ok(Kernel { module: self, name, function, code })
    }
}

/// Gives a variable its memory and its first value.
fn global(
    variable: &Variable,
    symbols: &HashMap<String, Symbol>,
    variables: &mut Table,
) -> Result<Symbol> {
    let (size, element) = (variable.size(), variable.ty.size());
    let mut bytes = vec![0; size];
    if variable.initial.len() * element > size {
        let what = format!("too many values for {}", variable.name);
        return Err(Error::Syntax { line: 0, what });
    }
    for (bytes, initial) in bytes.chunks_exact_mut(element).zip(&variable.initial) {
        let value = match initial {
            Initial::Bits(bits) => *bits,
            Initial::Address(name, offset) => match symbols.get(name) {
                Some(Symbol::Variable(_, at)) => at.wrapping_add(*offset),
                _ => {
                    let what = format!("{name} is not a variable");
                    return Err(Error::Syntax { line: 0, what });
                }
            },
        };
        bytes.copy_from_slice(&value.to_le_bytes()[..element]);
    }
    let access = if variable.place == Place::Const { Access::ReadOnly } else { Access::ReadWrite };
    let at = variables.insert(Buffer::filled(&bytes, access));
    Ok(Symbol::Variable(Space::Global, at.0))
}

/// A line of the text, without the spaces around it.
pub(crate) fn line(text: &str, number: u32) -> String {
    let index = (number as usize).checked_sub(1);
    index.and_then(|index| text.lines().nth(index)).unwrap_or_default().trim().to_owned()
}

/// A kernel that can be launched.
#[derive(Debug, Clone)]
pub struct Kernel<'a> {
    module: &'a Module,
    name: &'a str,
    function: &'a Function,
    code: Arc<Code>,
}

impl Kernel<'_> {
    /// The kernel's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Bytes of each parameter.
    pub fn param_sizes(&self) -> impl Iterator<Item = usize> {
        self.code.params.iter().map(|&(_, size)| size)
    }

    /// Bytes of static shared memory.
    pub fn static_shared(&self) -> usize {
        self.code.shared
    }

    /// Bytes of local memory of each thread.
    pub fn local(&self) -> usize {
        self.code.local
    }

    pub(crate) fn text(&self) -> &str {
        &self.module.text
    }

    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    pub(crate) fn variables(&self) -> &Table {
        &self.module.variables
    }

    /// Runs the kernel to its end.
    ///
    /// # Errors
    /// If the launch doesn't fit the kernel, or the kernel does what it mustn't.
    pub fn launch(&self, memory: &Memory, launch: &Launch<'_>, options: &Options) -> Result<Stats> {
        let refuse = |what: String| Err(Error::Launch { kernel: self.name.to_owned(), what });
        let threads = launch.block.iter().map(|&n| u64::from(n.min(1025))).product::<u64>();
        // As many blocks along x, y and z as CUDA allows.
        let most = [i32::MAX as u32, 65_535, 65_535];
        let grid = launch.grid.iter().zip(most).all(|(n, most)| (1..=most).contains(n));
        if threads == 0 || threads > 1024 || !grid {
            return refuse(format!("a grid of {:?} blocks of {:?}", launch.grid, launch.block));
        }
        if let Some(most) = self.function.max_threads.filter(|&most| threads > most) {
            return refuse(format!("blocks of {threads} threads, but it is made for {most}"));
        }
        if let Some(required) = self.function.required_block.filter(|&r| r != launch.block) {
            return refuse(format!("blocks of {:?}, but it needs {required:?}", launch.block));
        }
        let shared = self.code.shared as u64 + u64::from(launch.shared);
        if shared > u64::from(options.max_shared) {
            let most = options.max_shared;
            return refuse(format!("{shared} bytes of shared memory, but there are {most}"));
        }
        if launch.args.len() != self.code.params.len() {
            let wanted = self.code.params.len();
            return refuse(format!("{} arguments, but it takes {wanted}", launch.args.len()));
        }
        let end = self.code.params.last().map_or(0, |&(offset, size)| offset + size);
        let mut params = vec![0; end];
        for (i, (arg, &(offset, size))) in launch.args.iter().zip(&self.code.params).enumerate() {
            if arg.0.len() != size {
                return refuse(format!("argument {i} has {} bytes, not {size}", arg.0.len()));
            }
            params[offset..offset + size].copy_from_slice(&arg.0);
        }
        exec::launch(self, memory, launch, params, options)
    }
}
