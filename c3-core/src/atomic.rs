//! A file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// A file that is written beside its path and moved there by [`commit`](Self::commit).
///
/// Dropped before that, it leaves nothing (only a killed process leaves a `.*.c3.tmp` file). A path
/// that is a device, such as `/dev/null`, is written to directly: there is no file to protect, and
/// it must not be replaced by one. A symbolic link stays and its target is replaced. Writes are
/// buffered.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    overwrite: bool,
    out: BufWriter<Target>,
}

#[derive(Debug)]
enum Target {
    Temporary(NamedTempFile),
    Device(File),
}

impl AtomicFile {
    /// Starts a file that is to be at `path`. A file that is replaced passes its permissions on.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is a file already and `overwrite` is false,
    /// [`Error::IsDirectory`], or [`Error::Path`] where nothing can be created there.
    pub fn create(path: impl AsRef<Path>, overwrite: bool) -> Result<Self> {
        let path = path.as_ref();
        let failed = |source| Error::Path { doing: "create", path: path.to_owned(), source };
        let present = match fs::metadata(path) {
            Ok(present) => Some(present),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let (path, target) = match present {
            Some(present) if present.is_dir() => return Err(Error::IsDirectory(path.to_owned())),
            Some(present) if !present.is_file() => {
                let device = OpenOptions::new().write(true).open(path).map_err(failed)?;
                (path.to_owned(), Target::Device(device))
            }
            Some(_) if !overwrite => return Err(Error::Exists(path.to_owned())),
            Some(present) => {
                let real = fs::canonicalize(path).map_err(failed)?;
                let file = temporary(&real, Some(present.permissions())).map_err(failed)?;
                (real, Target::Temporary(file))
            }
            None => {
                let file = temporary(path, None).map_err(failed)?;
                (path.to_owned(), Target::Temporary(file))
            }
        };
        Ok(Self { path, overwrite, out: BufWriter::with_capacity(1 << 16, target) })
    }

    /// Writes what is buffered through to the disk and moves the file to its path.
    ///
    /// # Errors
    /// [`Error::Exists`] where a file has appeared there meanwhile and may not be replaced, or
    /// [`Error::Path`], as on a full disk. Nothing is left at the path then.
    pub fn commit(self) -> Result<()> {
        let Self { path, overwrite, out } = self;
        let failed = |doing| {
            let path = path.clone();
            move |source| Error::Path { doing, path, source }
        };
        let target = out.into_inner().map_err(|error| failed("write")(error.into_error()))?;
        let Target::Temporary(file) = target else { return Ok(()) };
        file.as_file().sync_all().map_err(failed("write"))?;
        let moved = if overwrite { file.persist(&path) } else { file.persist_noclobber(&path) };
        match moved {
            Ok(_) => {}
            Err(error) if !overwrite && error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists(path));
            }
            Err(error) => return Err(failed("replace")(error.error)),
        }
        sync_folder(&path);
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.out.seek(to)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Temporary(file) => file.write(bytes),
            Self::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Temporary(file) => file.flush(),
            Self::Device(file) => file.flush(),
        }
    }
}

impl Seek for Target {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Temporary(file) => file.seek(to),
            Self::Device(file) => file.seek(to),
        }
    }
}

/// The folder that holds `path`: a bare name has an empty parent, which means the current one.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(path: &Path, permissions: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".c3.tmp");
    // A temporary file is its owner's alone; this one becomes a file like any other.
    #[cfg(unix)]
    let permissions =
        permissions.or_else(|| Some(std::os::unix::fs::PermissionsExt::from_mode(0o666)));
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    builder.tempfile_in(folder(path))
}

/// Makes the move itself durable. Some file systems can't do it for folders; the file is complete
/// all the same, so this is no failure.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}
