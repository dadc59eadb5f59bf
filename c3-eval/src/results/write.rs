//! Result files, written record by record, so that a run that is stopped can go on.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use c3_core::AtomicFile;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::{Header, read};
use crate::{Error, Result};

/// Writes records behind those of an earlier part of the same run.
pub struct ResultWriter {
    path: PathBuf,
    file: File,
    done: usize,
}

impl ResultWriter {
    /// Starts the file at `path`, or goes on with it where it holds a part of the same run; a line
    /// that was being written when that was stopped is dropped. With `overwrite` it starts anew.
    ///
    /// # Errors
    /// Where the file can't be read or written, holds something else, or is being written by another
    /// process.
    pub fn open(path: &Path, header: &Header, overwrite: bool) -> Result<Self> {
        let (mut done, mut length) = (0, None);
        let present = if path.exists() { Some(locked(path)?) } else { None };
        if present.is_some() && !overwrite {
            let (found, whole) = read::parse::<IgnoredAny>(path)?;
            header.check_same(&found.header, path)?;
            (done, length) = (found.records.len(), Some(whole));
        } else {
            let mut file = AtomicFile::create(path, overwrite)?;
            writeln!(file, "{}", json(header)).map_err(Error::io("write", path))?;
            file.commit()?;
        }
        let file = match present.filter(|_| !overwrite) {
            Some(file) => file,
            None => locked(path)?,
        };
        if let Some(length) = length {
            file.set_len(length).map_err(Error::io("write", path))?;
        }
        Ok(Self { path: path.into(), file, done })
    }

    /// Records that were there already.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Adds records.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn push(&mut self, records: &[impl Serialize]) -> Result<()> {
        let lines: String = records.iter().map(|record| json(record) + "\n").collect();
        self.file.write_all(lines.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// The file to append to, this process's alone until it is closed. Where the file system knows no locks
/// there is none.
fn locked(path: &Path) -> Result<File> {
    let file = OpenOptions::new().append(true).open(path).map_err(Error::io("write", path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path.into())),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Names are strings and numbers are finite, so that this has nothing to fail at.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
