//! Operands of an instruction, as written.

use super::cursor::Cursor;
use super::lexer::TokenKind;
use crate::Result;

/// An operand, as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand<'a> {
    /// A register, variable, label or function; `_` for a result nobody wants.
    Name(&'a str),
    /// A negated predicate.
    Not(&'a str),
    /// A variable's address and an offset.
    Sum(&'a str, i64),
    Number(u64),
    Vector(Vec<Operand<'a>>),
    /// `[base + offset]`; without a base, an address that is a number.
    Address(Option<&'a str>, i64),
    /// Two results: `%p|%q`.
    Pair(&'a str, &'a str),
    /// The arguments of a call.
    List(Vec<Operand<'a>>),
}

/// Reads operands up to the semicolon.
pub(crate) fn operands<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Operand<'a>>> {
    let mut found = Vec::new();
    while !cursor.take(b';') {
        if !found.is_empty() {
            cursor.expect(b',')?;
        }
        found.push(operand(cursor)?);
    }
    Ok(found)
}

fn operand<'a>(cursor: &mut Cursor<'a>) -> Result<Operand<'a>> {
    match cursor.kind() {
        Some(TokenKind::Sign(b'{')) => Ok(Operand::Vector(list(cursor, b'}')?)),
        Some(TokenKind::Sign(b'(')) => Ok(Operand::List(list(cursor, b')')?)),
        Some(TokenKind::Sign(b'[')) => address(cursor),
        Some(TokenKind::Sign(b'!')) => {
            cursor.next();
            Ok(Operand::Not(cursor.word()?))
        }
        Some(TokenKind::Word) => {
            let name = cursor.next();
            if cursor.take(b'|') {
                return Ok(Operand::Pair(name, cursor.word()?));
            }
            match offset(cursor)? {
                0 => Ok(Operand::Name(name)),
                offset => Ok(Operand::Sum(name, offset)),
            }
        }
        _ => Ok(Operand::Number(cursor.number()?)),
    }
}

fn list<'a>(cursor: &mut Cursor<'a>, end: u8) -> Result<Vec<Operand<'a>>> {
    cursor.next();
    let mut found = Vec::new();
    while !cursor.take(end) {
        if !found.is_empty() {
            cursor.expect(b',')?;
        }
        found.push(operand(cursor)?);
    }
    Ok(found)
}

fn address<'a>(cursor: &mut Cursor<'a>) -> Result<Operand<'a>> {
    cursor.expect(b'[')?;
    let base = match cursor.kind() {
        Some(TokenKind::Word) => Some(cursor.next()),
        _ => None,
    };
    let offset = match base {
        Some(_) => offset(cursor)?,
        None => cursor.number()? as i64,
    };
    cursor.expect(b']')?;
    Ok(Operand::Address(base, offset))
}

/// What is added to a name; 0 if nothing.
fn offset(cursor: &mut Cursor<'_>) -> Result<i64> {
    match cursor.kind() {
        Some(TokenKind::Sign(b'+')) => {
            cursor.next();
            Ok(cursor.number()? as i64)
        }
        Some(TokenKind::Sign(b'-')) => Ok(cursor.number()? as i64),
        _ => Ok(0),
    }
}
