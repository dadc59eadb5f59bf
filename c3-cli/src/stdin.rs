//! Stdin that can be waited for in vain: a read that blocks would not notice Ctrl-C.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::interrupt::{self, Interrupted};

const PIECE: usize = 1 << 16;
/// Pieces read ahead.
const AHEAD: usize = 4;

/// Stdin, read by a thread of its own.
pub struct Stdin {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Stdin {
    pub fn new() -> Self {
        let (sender, pieces) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut piece = vec![0; PIECE];
                let read = match stdin.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let last = !matches!(read, Ok(1..));
                piece.truncate(*read.as_ref().unwrap_or(&0));
                // The other end is gone where nobody wants the rest.
                if sender.send(read.map(|_| piece)).is_err() || last {
                    return;
                }
            }
        });
        Self { pieces, piece: io::Cursor::default(), ended: false }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || self.ended || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.recv_timeout(Duration::from_millis(50)) {
                Ok(piece) => {
                    let piece = piece?;
                    self.ended = piece.is_empty();
                    self.piece = io::Cursor::new(piece);
                }
                Err(RecvTimeoutError::Timeout) => {
                    interrupt::check().map_err(|Interrupted| io::Error::other(Interrupted))?;
                }
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
    }
}
