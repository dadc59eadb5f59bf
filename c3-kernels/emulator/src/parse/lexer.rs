//! Text to tokens.

use crate::{Error, Result};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name, a directive, or an opcode with its modifiers.
    Word,
    /// A literal, in any of PTX's notations.
    Number,
    /// A quoted string, quotes included.
    Text,
    /// A single character.
    Sign(u8),
}

/// A token: where it lies in the text, so that the text need not be copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) line: u32,
}

/// Cuts a module into tokens, comments left out.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>> {
    if text.len() > u32::MAX as usize {
        return Err(Error::Syntax { line: 0, what: "more than 4 GiB of text".into() });
    }
    let bytes = text.as_bytes();
    let (mut tokens, mut line, mut at) = (Vec::with_capacity(bytes.len() / 4), 1, 0);
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let (kind, length) = match byte {
            b'\n' => {
                (line, at) = (line + 1, at + 1);
                continue;
            }
            b' ' | b'\t' | b'\r' | 0 => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with(b"//") => {
                at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                let length = find(rest, b"*/").map_or(rest.len(), |end| end + 2);
                line += lines(&rest[..length]);
                at += length;
                continue;
            }
            b'"' => {
                let end = rest[1..].iter().position(|&b| b == b'"');
                let what = "a string without end".to_owned();
                (TokenKind::Text, end.ok_or(Error::Syntax { line, what })? + 2)
            }
            b'0'..=b'9' => (TokenKind::Number, run(rest, number_byte)),
            _ if word_byte(byte) => (TokenKind::Word, word(rest)),
            _ => (TokenKind::Sign(byte), 1),
        };
        tokens.push(Token { kind, start: at as u32, end: (at + length) as u32, line });
        line += lines(&rest[..length]);
        at += length;
    }
    Ok(tokens)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn lines(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u32
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&b| !belongs(b)).unwrap_or(bytes.len())
}

fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

fn number_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.'
}

/// The length of a word; `::` is part of a modifier, a single `:` ends a label. Directives may follow
/// each other without a space (`.reg.b32`), and are words of their own.
fn word(bytes: &[u8]) -> usize {
    let directive = usize::from(bytes[0] == b'.');
    let belongs = |byte| word_byte(byte) && !(directive == 1 && byte == b'.');
    let mut length = directive + run(&bytes[directive..], belongs);
    while bytes[length..].starts_with(b"::") {
        length += 2 + run(&bytes[length + 2..], word_byte);
    }
    length
}
