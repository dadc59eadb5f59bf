//! Declarations of variables: registers, parameters, shared, local, global and constant memory.

use super::cursor::Cursor;
use super::lexer::TokenKind;
use crate::Result;
use crate::types::Type;

/// Where a declared variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Register,
    Param,
    Shared,
    Local,
    Global,
    Const,
}

/// One value of an initialiser.
#[derive(Clone, Debug)]
pub(crate) enum Initial {
    Bits(u64),
    /// The address of another variable, and an offset.
    Address(String, u64),
}

/// A declared variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) place: Place,
    pub(crate) ty: Type,
    pub(crate) align: usize,
    pub(crate) name: String,
    /// Elements; for registers, how many of them are numbered `name0`, `name1`, …
    pub(crate) count: usize,
    /// A register range (`%r<5>`), an array without a size (`raw[]`), or a single one.
    pub(crate) form: Form,
    pub(crate) initial: Vec<Initial>,
}

/// How the name was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Numbered,
    Unsized,
}

impl Variable {
    /// Bytes of the whole variable.
    pub(crate) fn size(&self) -> usize {
        self.ty.size() * self.count
    }
}

/// Whether a word begins a declaration of a variable, linkage aside.
pub(crate) fn place(word: &str) -> Option<Place> {
    Some(match word {
        ".reg" => Place::Register,
        ".param" => Place::Param,
        ".shared" | ".shared::cta" => Place::Shared,
        ".local" => Place::Local,
        ".global" => Place::Global,
        ".const" => Place::Const,
        _ => return None,
    })
}

/// Reads a declaration up to its semicolon.
pub(crate) fn variables(cursor: &mut Cursor<'_>) -> Result<Vec<Variable>> {
    let mut variables = vec![variable(cursor)?];
    let shared = variables[0].clone();
    while cursor.take(b',') {
        let mut next = shared.clone();
        name_and_value(cursor, &mut next)?;
        variables.push(next);
    }
    cursor.expect(b';')?;
    Ok(variables)
}

/// Reads one variable: in a list of parameters they are separated by commas, types and all.
pub(crate) fn variable(cursor: &mut Cursor<'_>) -> Result<Variable> {
    let word = cursor.word()?;
    let Some(place) = place(word) else {
        return Err(cursor.error(format!("{word} declares no variable")));
    };
    let (mut ty, mut align, mut lanes, mut pointer) = (None, None, 1, false);
    while cursor.kind() == Some(TokenKind::Word) && cursor.peek().starts_with('.') {
        match cursor.next() {
            // The alignment after `.ptr` is that of what the parameter points to.
            ".align" if pointer => drop(cursor.size()?),
            ".align" => align = Some(cursor.size()?),
            ".ptr" => pointer = true,
            ".attribute" => {
                cursor.expect(b'(')?;
                cursor.skip_past(b')')?;
            }
            ".v2" => lanes = 2,
            ".v4" => lanes = 4,
            word => match Type::named(&word[1..]) {
                Some(found) => ty = Some(found),
                None if pointer => {}
                None => return Err(cursor.error(format!("unknown type {word}"))),
            },
        }
    }
    let Some(ty) = ty else {
        return Err(cursor.error("a declaration without a type".into()));
    };
    let align = align.unwrap_or(ty.size() * lanes).max(1);
    let (name, form) = (String::new(), Form::Plain);
    let mut variable = Variable { place, ty, align, name, count: lanes, form, initial: vec![] };
    name_and_value(cursor, &mut variable)?;
    Ok(variable)
}

fn name_and_value(cursor: &mut Cursor<'_>, variable: &mut Variable) -> Result<()> {
    variable.name = cursor.word()?.to_owned();
    variable.form = Form::Plain;
    if cursor.take(b'<') {
        (variable.count, variable.form) = (cursor.size()?, Form::Numbered);
        cursor.expect(b'>')?;
    }
    while cursor.take(b'[') {
        match cursor.take(b']') {
            true => (variable.count, variable.form) = (0, Form::Unsized),
            false => {
                let count = cursor.size()?;
                let total = variable.count.checked_mul(count).filter(|&n| n < 1 << 31);
                variable.count = total.ok_or_else(|| cursor.error("a huge array".into()))?;
                cursor.expect(b']')?;
            }
        }
    }
    if cursor.take(b'=') {
        initial(cursor, &mut variable.initial)?;
        if variable.form == Form::Unsized {
            (variable.count, variable.form) = (variable.initial.len(), Form::Plain);
        }
    }
    Ok(())
}

/// Reads an initialiser, nested braces flattened.
fn initial(cursor: &mut Cursor<'_>, values: &mut Vec<Initial>) -> Result<()> {
    if cursor.take(b'{') {
        while !cursor.take(b'}') {
            initial(cursor, values)?;
            cursor.take(b',');
        }
        return Ok(());
    }
    if cursor.kind() != Some(TokenKind::Word) {
        values.push(Initial::Bits(cursor.number()?));
        return Ok(());
    }
    let mut name = cursor.word()?;
    if name == "generic" && cursor.take(b'(') {
        name = cursor.word()?;
        cursor.expect(b')')?;
    }
    let offset = if cursor.take(b'+') { cursor.number()? } else { 0 };
    values.push(Initial::Address(name.to_owned(), offset));
    Ok(())
}
