//! Where the input comes from.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use c3_core::{ByteSource, FileSource, LatentFile};

use crate::report::with_hint;
use crate::stdin::Stdin;
use crate::ui::Ui;

/// Where the input comes from.
#[derive(Clone)]
pub enum Input {
    Stdin,
    File(PathBuf),
}

/// Bytes of a `.c3` file, wherever they are.
pub type Bytes = Box<dyn ByteSource + Send + Sync>;

/// A text that is open for reading.
pub struct Text {
    pub reader: Box<dyn Read + Send>,
    /// Its length in bytes, where it is known beforehand.
    pub bytes: Option<u64>,
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Input {
    /// Opens it as text.
    pub fn open_text(&self, ui: &Ui) -> anyhow::Result<Text> {
        match self {
            Self::Stdin => {
                if io::stdin().is_terminal() {
                    ui.say("reading text from the terminal; Ctrl-D ends it");
                }
                Ok(Text { reader: Box::new(Stdin::new()), bytes: None })
            }
            Self::File(path) => {
                let file = open(path)?;
                let metadata = file.metadata().with_context(|| format!("can't read {self}"))?;
                let bytes = metadata.is_file().then_some(metadata.len());
                Ok(Text { reader: Box::new(file), bytes })
            }
        }
    }

    /// Opens it as a file of latents: read segment by segment where it is a regular file, read
    /// whole where it is a pipe.
    pub fn open_latents(&self) -> anyhow::Result<LatentFile<Bytes>> {
        let opened = match self {
            Self::Stdin if io::stdin().is_terminal() => {
                let error = anyhow::anyhow!("a .c3 file can't be typed");
                return Err(with_hint(error, "name the file, or redirect one to stdin"));
            }
            Self::Stdin => LatentFile::from_source(whole(Stdin::new(), self)?),
            Self::File(path) => {
                let file = open(path)?;
                let failed = || format!("can't read {self}");
                // What is no file, such as a named pipe, can't be read out of order.
                let bytes = if file.metadata().with_context(failed)?.is_file() {
                    Box::new(FileSource::new(file).with_context(failed)?) as Bytes
                } else {
                    whole(file, self)?
                };
                LatentFile::from_source(bytes)
            }
        };
        opened.with_context(|| format!("{self} is not a .c3 file that can be used"))
    }
}

fn whole(mut reader: impl Read, input: &Input) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).with_context(|| format!("can't read {input}"))?;
    Ok(Box::new(bytes))
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    // Opening a folder succeeds on Unix; reading it then fails with less to say.
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{} is a folder, expected a file", path.display());
    }
    Ok(file)
}
