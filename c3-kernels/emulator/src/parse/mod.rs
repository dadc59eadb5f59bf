//! The text of a module: its variables and functions, whose bodies stay tokens until they are wanted.

mod cursor;
mod lexer;
mod operand;
mod variable;

use std::collections::HashMap;
use std::ops::Range;

pub(crate) use cursor::Cursor;
pub(crate) use lexer::{Token, TokenKind};
pub(crate) use operand::{Operand, operands};
pub(crate) use variable::{Form, Initial, Place, Variable, place, variables};

use crate::Result;

/// A kernel or a device function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub(crate) is_kernel: bool,
    pub(crate) returns: Vec<Variable>,
    pub(crate) params: Vec<Variable>,
    /// The most threads of a block, by `.maxntid` or `.reqntid`.
    pub(crate) max_threads: Option<u64>,
    /// The block that `.reqntid` asks for.
    pub(crate) required_block: Option<[u32; 3]>,
    /// The tokens between its braces; none if it is only declared.
    pub(crate) body: Option<Range<usize>>,
}

/// What a module declares.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) tokens: Vec<Token>,
    pub(crate) functions: HashMap<String, Function>,
    pub(crate) variables: Vec<Variable>,
}

/// Reads a module.
pub(crate) fn source(text: &str) -> Result<Source> {
    let tokens = lexer::tokens(text)?;
    let mut source = Source::default();
    let mut cursor = Cursor::new(text, &tokens);
    while !cursor.is_at_end() {
        item(&mut cursor, &mut source)?;
    }
    source.tokens = tokens;
    Ok(source)
}

fn item(cursor: &mut Cursor<'_>, source: &mut Source) -> Result<()> {
    let line = cursor.line();
    if place(cursor.peek()).is_some() {
        source.variables.extend(variables(cursor)?);
        return Ok(());
    }
    match cursor.word()? {
        ".visible" | ".extern" | ".weak" | ".common" => {}
        // What follows on the line tells the version, the target, or is for debuggers.
        ".version" | ".target" | ".address_size" | ".file" | ".loc" => {
            while cursor.line() == line && !cursor.is_at_end() {
                cursor.next();
            }
        }
        ".section" => {
            cursor.word()?;
            cursor.expect(b'{')?;
            cursor.skip_past(b'}')?;
        }
        ".pragma" | ".alias" => cursor.skip_past(b';')?,
        ".entry" => function(cursor, source, true)?,
        ".func" => function(cursor, source, false)?,
        word => return Err(cursor.error(format!("unknown directive {word}"))),
    }
    Ok(())
}

fn function(cursor: &mut Cursor<'_>, source: &mut Source, is_kernel: bool) -> Result<()> {
    let mut function = Function { is_kernel, ..Function::default() };
    while cursor.take_word(".attribute") {
        cursor.expect(b'(')?;
        cursor.skip_past(b')')?;
    }
    function.returns = parameters(cursor)?;
    let name = cursor.word()?.to_owned();
    function.params = parameters(cursor)?;
    while !cursor.take(b';') {
        if cursor.take(b'{') {
            let start = cursor.position();
            cursor.skip_past(b'}')?;
            function.body = Some(start..cursor.position() - 1);
            break;
        }
        performance(cursor, &mut function)?;
    }
    // A definition may follow its declaration, never the other way round.
    if function.body.is_some() || !source.functions.contains_key(&name) {
        source.functions.insert(name, function);
    }
    Ok(())
}

fn parameters(cursor: &mut Cursor<'_>) -> Result<Vec<Variable>> {
    let mut found = Vec::new();
    if cursor.take(b'(') {
        while !cursor.take(b')') {
            found.push(variable::variable(cursor)?);
            cursor.take(b',');
        }
    }
    Ok(found)
}

/// Directives between a function's parameters and its body.
fn performance(cursor: &mut Cursor<'_>, function: &mut Function) -> Result<()> {
    match cursor.word()? {
        ".noreturn" | ".explicitcluster" => {}
        ".maxntid" => function.max_threads = Some(product(&sizes(cursor)?)),
        ".reqntid" => {
            let sizes = sizes(cursor)?;
            let size = |axis: usize| sizes.get(axis).map_or(1, |&n| n as u32);
            function.max_threads = Some(product(&sizes));
            function.required_block = Some([size(0), size(1), size(2)]);
        }
        ".minnctapersm" | ".maxnreg" | ".maxnctapersm" | ".reqnctapercluster"
        | ".maxclusterrank" => drop(sizes(cursor)?),
        ".pragma" => cursor.skip_past(b';')?,
        word => return Err(cursor.error(format!("unknown directive {word}"))),
    }
    Ok(())
}

fn product(sizes: &[u64]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}

fn sizes(cursor: &mut Cursor<'_>) -> Result<Vec<u64>> {
    let mut sizes = vec![cursor.number()?];
    while cursor.take(b',') {
        sizes.push(cursor.number()?);
    }
    Ok(sizes)
}
