//! Text as tokens, in a file that is mapped.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use c3_nn::Tokenizer;
use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::error::io;
use crate::{Error, Result};

/// Bytes of text that one thread tokenises at a time; cut at the end of a line.
const PIECE: usize = 1 << 20;

/// The tokens of many texts, one behind the other, in a file of 32-bit little-endian numbers.
pub struct Tokens {
    map: Option<Mmap>, // an empty file can't be mapped
    hash: String,
    files: Vec<Source>,
}

/// A text file that tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Of its bytes: xxh3, 16 hexadecimal digits.
    pub hash: String,
}

impl Source {
    /// A file, which `all` learns of as well. It may be larger than the memory.
    fn of(path: &Path, all: &mut Xxh3) -> Result<Self> {
        let mut file = File::open(path).map_err(io(path, "reading"))?;
        let length = file.metadata().map_err(io(path, "reading"))?.len();
        all.update(&length.to_le_bytes());
        let (mut hash, mut bytes, mut part) = (Xxh3::new(), 0, vec![0; PIECE]);
        loop {
            match file.read(&mut part).map_err(io(path, "reading"))? {
                0 => break,
                n => {
                    hash.update(&part[..n]);
                    all.update(&part[..n]);
                    bytes += n as u64;
                }
            }
        }
        Ok(Self { path: path.into(), bytes, hash: format!("{:016x}", hash.digest()) })
    }
}

impl Tokens {
    /// Tokenises `texts` into a file in `folder`, or opens the one that an earlier call has left there
    /// for the same texts and tokenizer: both are named by a hash.
    ///
    /// # Errors
    /// Where a file can't be read or written, isn't UTF-8, or there is none; [`Error::Stopped`] where
    /// `progress`, which is told the bytes of text that were tokenised, says so.
    pub fn of(
        texts: &[PathBuf],
        tokenizer: &Tokenizer,
        folder: &Path,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<Self> {
        let files = files(texts)?;
        let mut hash = Xxh3::new();
        tokenizer.visit_identity(&mut |name, bytes| {
            hash.update(name.as_bytes());
            hash.update(bytes);
        });
        let mut sources = Vec::new();
        for file in &files {
            sources.push(Source::of(file, &mut hash)?);
        }
        std::fs::create_dir_all(folder).map_err(io(folder, "creating the folder"))?;
        let hash = format!("{:016x}", hash.digest());
        let path = folder.join(format!("{hash}.tokens"));
        if !path.exists() {
            write(&files, tokenizer, folder, &path, progress)?;
        }
        Self::open(&path, hash, sources)
    }

    fn open(path: &Path, hash: String, files: Vec<Source>) -> Result<Self> {
        let file = File::open(path).map_err(io(path, "opening"))?;
        let length = file.metadata().map_err(io(path, "reading"))?.len();
        // SAFETY: the file is ours: it is written under another name and renamed, never changed.
        let map = match length {
            0 => None,
            _ => Some(unsafe { Mmap::map(&file) }.map_err(io(path, "mapping"))?),
        };
        Ok(Self { map, hash, files })
    }

    /// The files they come from, in order.
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// Of the texts and the tokenizer: xxh3, 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len() / 4)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them; what lies beyond the last is left out.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = u32> + '_ {
        let bytes = self.map.as_deref().unwrap_or(&[]);
        let (all, _) = bytes.as_chunks::<4>();
        let (start, end) = (range.start.min(all.len()), range.end.min(all.len()));
        all[start..end.max(start)].iter().map(|&bytes| u32::from_le_bytes(bytes))
    }
}

/// The files of `texts`, in the order given, those of a folder or a pattern by name.
pub(crate) fn files(texts: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in texts {
        if path.is_dir() {
            files.extend(within(path)?);
        } else if path.exists() {
            files.push(path.clone());
        } else {
            files.extend(fitting(path)?);
        }
    }
    match files.is_empty() {
        true => Err(Error::NoFile(format!("a .txt or .jsonl file in {texts:?}"))),
        false => Ok(files),
    }
}

/// The texts directly in a folder.
fn within(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(io(folder, "listing"))?;
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(io(folder, "listing"))?.path();
        if file.extension().is_some_and(|end| end == "txt" || end == "jsonl") {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// The files that fit a pattern such as `books/**/*.txt`; a path with nothing to fit is one that is
/// missing.
fn fitting(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let refuse = |reason: String| Error::Syntax { path: pattern.into(), reason };
    let paths = glob::glob(&text).map_err(|error| refuse(format!("no pattern: {error}")))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            Error::Io { path, doing: "listing", source: error.into() }
        })?;
        if path.is_file() {
            found.push(path);
        }
    }
    match found.is_empty() {
        true => Err(Error::NoFile(format!("like {}", pattern.display()))),
        false => Ok(found), // sorted: so glob says
    }
}

fn write(
    files: &[PathBuf],
    tokenizer: &Tokenizer,
    folder: &Path,
    path: &Path,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<()> {
    let partial = tempfile::NamedTempFile::new_in(folder).map_err(io(folder, "creating a file"))?;
    let mut to = BufWriter::new(partial);
    for file in files {
        let mut reader = BufReader::new(File::open(file).map_err(io(file, "opening"))?);
        loop {
            let texts = pieces(&mut reader, file)?;
            if texts.is_empty() {
                break;
            }
            let tokens: Vec<Vec<u32>> = texts
                .par_iter()
                .map(|text| tokenizer.encode(text))
                .collect::<c3_nn::Result<_>>()?;
            for token in tokens.iter().flatten() {
                to.write_all(&token.to_le_bytes()).map_err(io(path, "writing"))?;
            }
            if progress(texts.iter().map(|text| text.len() as u64).sum()).is_break() {
                return Err(Error::Stopped);
            }
        }
    }
    let partial = to.into_inner().map_err(|e| io(path, "writing")(e.into_error()))?;
    partial.as_file().sync_all().map_err(io(path, "writing"))?;
    partial.persist(path).map_err(|e| io(path, "renaming to")(e.error))?;
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    text: String,
}

/// Some texts from where the reader stands: as many as all threads have to do. Empty at the end.
pub(crate) fn pieces(reader: &mut impl BufRead, file: &Path) -> Result<Vec<String>> {
    let json = file.extension().is_some_and(|end| end == "jsonl");
    let mut texts = vec![String::new()];
    let mut line = String::new();
    for _ in 0..rayon::current_num_threads() * 4 {
        let mut piece = String::new();
        while piece.len() < PIECE {
            line.clear();
            if reader.read_line(&mut line).map_err(io(file, "reading as UTF-8"))? == 0 {
                break;
            }
            if json && !line.trim().is_empty() {
                let parsed: Line = serde_json::from_str(&line).map_err(|error| {
                    let reason = format!("a line is no JSON object with a text: {error}");
                    Error::Syntax { path: file.into(), reason }
                })?;
                piece.push_str(&parsed.text);
                piece.push('\n');
            } else if !json {
                piece.push_str(&line);
            }
        }
        texts.push(piece);
    }
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}
