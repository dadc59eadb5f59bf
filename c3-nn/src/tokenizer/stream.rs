//! Text from the bytes of tokens as they come, in whole characters.

/// Turns bytes that arrive in pieces into text.
///
/// A token may end within a character. What [`push`](Self::push) returns holds whole characters
/// only; the rest waits for the next bytes. Bytes that can't be UTF-8 become U+FFFD, so that all
/// parts together equal [`String::from_utf8_lossy`] of all bytes together.
///
/// ```
/// let mut stream = c3_nn::TextStream::new();
/// assert_eq!(stream.push(b"caf\xc3"), "caf");
/// assert_eq!(stream.push(b"\xa9"), "é");
/// assert_eq!(stream.finish(), "");
/// ```
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// The bytes of a character that has begun; at most three between calls.
    rest: Vec<u8>,
}

impl TextStream {
    /// A stream at its start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; returns the characters that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let incomplete = self.incomplete_tail();
        let complete = self.rest.len() - incomplete;
        let text = String::from_utf8_lossy(&self.rest[..complete]).into_owned();
        self.rest.drain(..complete);
        text
    }

    /// Ends the stream: U+FFFD if a character is incomplete, else nothing.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }

    /// The length of an unfinished character at the end, 0 to 3.
    fn incomplete_tail(&self) -> usize {
        // `utf8_chunks` says what is invalid; only in the last chunk may more bytes mend it.
        let Some(last) = self.rest.utf8_chunks().last() else { return 0 };
        let invalid = last.invalid();
        match std::str::from_utf8(invalid) {
            Err(error) if error.error_len().is_none() => invalid.len(),
            _ => 0,
        }
    }
}
