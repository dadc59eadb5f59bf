//! A place in the tokens of a module.

use super::lexer::{Token, TokenKind};
use crate::{Error, Result};

/// Reads tokens one after another.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens, at: 0 }
    }

    /// How many tokens have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The line of the next token, or of the last one.
    pub(crate) fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }

    pub(crate) fn kind(&self) -> Option<TokenKind> {
        self.kind_after(0)
    }

    /// The kind of the token `ahead` of the next one.
    pub(crate) fn kind_after(&self, ahead: usize) -> Option<TokenKind> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    /// The text of the next token.
    pub(crate) fn peek(&self) -> &'a str {
        let text = self.text;
        self.tokens.get(self.at).map_or("", |token| &text[token.start as usize..token.end as usize])
    }

    /// The text of the next token, which is left behind.
    pub(crate) fn next(&mut self) -> &'a str {
        let text = self.peek();
        self.at += 1;
        text
    }

    /// Goes on if the next token is this sign.
    pub(crate) fn take(&mut self, sign: u8) -> bool {
        let found = self.kind() == Some(TokenKind::Sign(sign));
        self.at += usize::from(found);
        found
    }

    /// Goes on if the next token is this word.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.kind() == Some(TokenKind::Word) && self.peek() == word;
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, sign: u8) -> Result<()> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.error(format!("expected {:?}", char::from(sign)))),
        }
    }

    pub(crate) fn word(&mut self) -> Result<&'a str> {
        match self.kind() {
            Some(TokenKind::Word) => Ok(self.next()),
            _ => Err(self.error("expected a name".into())),
        }
    }

    /// An integer, which may be negative, as 64 bits.
    pub(crate) fn number(&mut self) -> Result<u64> {
        let negative = self.take(b'-');
        match self.kind() {
            Some(TokenKind::Number) => {
                let value = literal(self.peek());
                let value = value.ok_or_else(|| self.error("not a number".into()))?;
                self.next();
                Ok(if negative { value.wrapping_neg() } else { value })
            }
            _ => Err(self.error("expected a number".into())),
        }
    }

    pub(crate) fn size(&mut self) -> Result<usize> {
        let size = self.number()?;
        match size < 1 << 31 {
            true => Ok(size as usize),
            false => Err(self.error(format!("a size of {size}"))),
        }
    }

    /// Leaves behind all tokens up to this sign and the sign itself, nested brackets as a whole.
    pub(crate) fn skip_past(&mut self, sign: u8) -> Result<()> {
        let mut depth = 0usize;
        while let Some(kind) = self.kind() {
            self.at += 1;
            match kind {
                TokenKind::Sign(found) if found == sign && depth == 0 => return Ok(()),
                TokenKind::Sign(b'{' | b'(' | b'[') => depth += 1,
                TokenKind::Sign(b'}' | b')' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Err(self.error(format!("expected {:?} before the end", char::from(sign))))
    }

    pub(crate) fn error(&self, what: String) -> Error {
        Error::Syntax { line: self.line(), what: format!("{what}, found {:?}", self.peek()) }
    }
}

/// The bits of a literal: decimal, hexadecimal, octal, binary, or the bits of a float.
fn literal(text: &str) -> Option<u64> {
    let digits = |digits: &str, radix| {
        let digits = digits.trim_end_matches(['U', 'u']);
        u64::from_str_radix(digits, radix).ok()
    };
    match text.get(..2) {
        Some("0f" | "0F" | "0d" | "0D") => digits(&text[2..], 16),
        Some("0x" | "0X") => digits(&text[2..], 16),
        Some("0b" | "0B") => digits(&text[2..], 2),
        _ if text.contains('.') => text.parse::<f64>().ok().map(f64::to_bits),
        Some(_) if text.starts_with('0') && text.len() > 1 => digits(&text[1..], 8),
        _ => digits(text, 10),
    }
}
