//! Where the output goes: a file that appears whole or not at all, a device, or stdout.

use std::fs::File;
use std::io::{self, IsTerminal, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use c3_core::AtomicFile;

use crate::report::with_hint;

/// Where the output goes.
pub enum Output {
    Stdout,
    File { path: PathBuf, force: bool },
}

/// An output that is open. Dropped before [`commit`](Self::commit), a file leaves nothing.
pub enum Open {
    Stdout(Stdout),
    /// Written to directly: there is no file to protect.
    Device(File),
    File(AtomicFile),
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}

impl Output {
    /// Opens it for text.
    pub fn open_text(&self) -> anyhow::Result<Open> {
        Ok(match self {
            Self::Stdout => Open::Stdout(Stdout::new()),
            Self::File { path, force } => match path.metadata() {
                Ok(present) if !present.is_file() && !present.is_dir() => {
                    let device = File::options().write(true).open(path);
                    Open::Device(device.with_context(|| format!("can't open {self}"))?)
                }
                _ => Open::File(AtomicFile::create(path, *force)?),
            },
        })
    }

    /// Opens it for bytes that no terminal should see.
    pub fn open_binary(&self) -> anyhow::Result<Open> {
        if matches!(self, Self::Stdout) && io::stdout().is_terminal() {
            let error = anyhow::anyhow!("a .c3 file is binary: it won't be written to a terminal");
            return Err(with_hint(error, "name a file with -o FILE, or redirect stdout"));
        }
        self.open_text()
    }
}

impl Open {
    /// Moves the file to its place; makes sure that everything was written.
    pub fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().context("can't write to stdout"),
            Self::Device(mut device) => device.flush().context("can't write the output"),
            Self::File(file) => Ok(file.commit()?),
        }
    }

    /// Lets `write` write to something that it can also seek in: the file itself, or else a
    /// temporary one that is copied.
    pub fn write_seekable<T>(
        &mut self,
        write: impl FnOnce(&mut dyn WriteSeek) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let Self::File(file) = self {
            return write(file);
        }
        let mut spool = tempfile::tempfile().context("can't create a temporary file")?;
        let value = {
            let mut buffered = io::BufWriter::with_capacity(1 << 16, &mut spool);
            let value = write(&mut buffered)?;
            buffered.flush().context("can't write a temporary file")?;
            value
        };
        spool.seek(SeekFrom::Start(0)).context("can't read a temporary file")?;
        io::copy(&mut spool, self).context("can't write the output")?;
        Ok(value)
    }
}

/// What a `.c3` file is written to.
pub trait WriteSeek: Write + Seek {}
impl<T: Write + Seek> WriteSeek for T {}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Device(device) => note(device.write(bytes)),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Device(device) => device.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether whoever read our output has gone away.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Stdout that notes when nobody reads it any more. On a terminal every write shows at once;
/// elsewhere writes are buffered.
pub struct Stdout {
    out: io::BufWriter<io::Stdout>,
    terminal: bool,
}

impl Stdout {
    pub fn new() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        Self { out: io::BufWriter::with_capacity(1 << 16, out), terminal }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = note(self.out.write(bytes))?;
        if self.terminal {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        note(self.out.flush())
    }
}

fn note<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        CLOSED.store(true, Ordering::Relaxed);
    }
    result
}

/// Prints text for people or scripts to stdout; colors stay where they are wanted.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::AutoStream::auto(io::stdout());
    note(out.write_all(text.as_bytes())).context("can't write to stdout")?;
    note(out.flush()).context("can't write to stdout")
}

/// Prints `value` as JSON to stdout.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("can't write JSON")?;
    text.push('\n');
    print(&text)
}
