//! The files of a checkpoint: a folder on disk, or bytes that the program carries.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::{Error, Result};

/// The bytes of one file.
#[derive(Clone)]
pub(crate) enum Bytes {
    Mapped(Arc<Mmap>),
    Static(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

/// How many bytes around a touched page are mapped with it.
#[cfg(unix)]
const AROUND: usize = 1 << 16;

impl Bytes {
    /// Lets go of a range's pages, if the file is mapped; whoever reads it again finds the same
    /// bytes. They would count as this process's memory otherwise.
    pub fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self
            && !range.is_empty()
            && range.end <= map.len()
        {
            // The kernel maps the pages around one that is touched, and so behind the reader again.
            let start = range.start.saturating_sub(AROUND);
            let end = range.end.saturating_add(AROUND).min(map.len());
            // SAFETY: the map is shared, read-only and of a file: dropped pages come back from it
            // with the same bytes, under every reference there is.
            let dropped = unsafe {
                map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start)
            };
            // It is advice: where it is not taken, more memory is used and all else is the same.
            let _ = dropped;
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

/// Where a checkpoint's files are.
pub(crate) enum Files {
    Folder(PathBuf),
    Memory(Vec<(&'static str, &'static [u8])>),
}

impl Files {
    /// The name to call a file by in messages.
    pub fn display(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Memory(_) => name.to_owned(),
        }
    }

    /// The file's bytes, or `None` where there is no such file.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Self::Memory(files) => {
                Ok(files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| Bytes::Static(bytes)))
            }
            Self::Folder(folder) => map(&folder.join(name)),
        }
    }

    /// As [`get`](Self::get), where the file must exist.
    pub fn require(&self, name: &str) -> Result<Bytes> {
        self.get(name)?.ok_or_else(|| Error::MissingFile { path: self.display(name).into() })
    }
}

/// The bytes of a file on disk, or `None` where there is no such file.
pub(crate) fn map(path: &Path) -> Result<Option<Bytes>> {
    let read = |source| Error::Read { path: path.into(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(read)?,
    };
    let meta = file.metadata().map_err(read)?;
    if meta.is_dir() {
        return Err(read(std::io::Error::other("it is a directory")));
    }
    if meta.len() == 0 {
        return Ok(Some(Bytes::Static(&[]))); // an empty file can't be mapped
    }
    // SAFETY: the map is read-only. Nobody may cut the file short while it is in use; the
    // documentation of `Checkpoint` says so.
    let map = unsafe { Mmap::map(&file) }.map_err(read)?;
    Ok(Some(Bytes::Mapped(Arc::new(map))))
}
