//! Text from a reader, in whole characters.

use std::io::{ErrorKind, Read};

use c3_nn::TextStream;

use crate::{Error, Result};

/// How many bytes are asked for at once.
const CHUNK: usize = 64 * 1024;

/// Text from a reader, in whole characters.
///
/// An error comes when text after it is asked for, not when it is seen, so that it doesn't depend
/// on how much the reader delivers at once.
pub(super) struct TextReader<R> {
    source: R,
    chunk: Vec<u8>,
    decoder: Decoder,
    ended: bool,
    error: Option<Error>,
}

enum Decoder {
    Strict { offset: u64, rest: Vec<u8> },
    Lossy(TextStream),
}

impl<R: Read> TextReader<R> {
    pub(super) fn new(source: R, lossy: bool) -> Self {
        let decoder = if lossy {
            Decoder::Lossy(TextStream::new())
        } else {
            Decoder::Strict { offset: 0, rest: Vec::new() }
        };
        Self { source, chunk: vec![0; CHUNK], decoder, ended: false, error: None }
    }

    /// Appends to `text` until it is longer than `len` bytes or the source ends; says whether the
    /// source has ended.
    pub(super) fn read_past(&mut self, len: usize, text: &mut String) -> Result<bool> {
        while text.len() <= len && !self.ended {
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let decoded = match self.source.read(&mut self.chunk) {
                Ok(0) => {
                    self.ended = true;
                    self.decoder.finish(text)
                }
                Ok(count) => self.decoder.push(&self.chunk[..count], text),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                Err(error) => Err(Error::Read(error)),
            };
            if let Err(error) = decoded {
                self.ended = false;
                self.error = Some(error);
            }
        }
        Ok(self.ended)
    }
}

impl Decoder {
    /// Appends the characters that `bytes` completes, up to the first that is wrong.
    fn push(&mut self, bytes: &[u8], text: &mut String) -> Result<()> {
        let (offset, rest) = match self {
            Self::Strict { offset, rest } => (offset, rest),
            Self::Lossy(stream) => {
                text.push_str(&stream.push(bytes));
                return Ok(());
            }
        };
        rest.extend_from_slice(bytes);
        let (valid, error_len) = match std::str::from_utf8(rest) {
            Ok(valid) => (valid, None),
            Err(error) => {
                let valid = &rest[..error.valid_up_to()];
                (std::str::from_utf8(valid).unwrap_or_default(), error.error_len())
            }
        };
        text.push_str(valid);
        let valid = valid.len();
        *offset += valid as u64;
        if error_len.is_some() {
            return Err(Error::InvalidUtf8 { offset: *offset });
        }
        rest.drain(..valid);
        Ok(())
    }

    /// Appends what an incomplete character at the end becomes.
    fn finish(&mut self, text: &mut String) -> Result<()> {
        match self {
            Self::Strict { rest, .. } if rest.is_empty() => Ok(()),
            Self::Strict { offset, .. } => Err(Error::InvalidUtf8 { offset: *offset }),
            Self::Lossy(stream) => {
                text.push_str(&std::mem::take(stream).finish());
                Ok(())
            }
        }
    }
}
