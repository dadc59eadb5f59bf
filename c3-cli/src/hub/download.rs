//! One file into the cache: resumed where an earlier attempt stopped, verified, then put in place.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ureq::http::StatusCode;

use super::client::Client;
use super::error::{Error, Result};
use super::listing::RemoteFile;
use super::retry::Retry;
use super::verify::Hasher;
use crate::interrupt;

const PIECE: usize = 1 << 17;

/// Fetches `remote` into `blobs` under its hash, unless it is there; returns the bytes fetched.
/// `progress` is told how much of the file is here.
pub fn download(
    client: &Client,
    remote: &RemoteFile,
    blobs: &Path,
    progress: &dyn Fn(u64),
) -> Result<u64> {
    let blob = blobs.join(remote.checksum.hex());
    let complete = || blob.metadata().is_ok_and(|found| found.len() == remote.bytes);
    if complete() {
        return Ok(0);
    }
    let mut part = Part::open(blobs, remote)?;
    // Another process may have finished it while we waited to open.
    if complete() {
        return Ok(0);
    }
    let resumed = part.length;
    let mut fetched = part.fill(client, remote, progress)?;
    if let Err(error) = part.verify(remote) {
        if resumed == 0 {
            return Err(error);
        }
        // The damage may have been in what was there before.
        part.restart(remote)?;
        fetched += part.fill(client, remote, progress)?;
        part.verify(remote)?;
    }
    part.put(&blob)?;
    Ok(fetched)
}

/// An unfinished file, locked for us.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    hasher: Hasher,
}

impl Part {
    fn open(blobs: &Path, remote: &RemoteFile) -> Result<Self> {
        let path = blobs.join(format!("{}.incomplete", remote.checksum.hex()));
        let failed = |doing, source| Error::Cache { doing, path: path.clone(), source };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|error| failed("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { file: remote.path.clone() }),
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        let mut part = Self { path, file, length: 0, hasher: remote.checksum.hasher(remote.bytes) };
        part.take_in(remote)?;
        Ok(part)
    }

    /// Hashes what an earlier attempt left.
    fn take_in(&mut self, remote: &RemoteFile) -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            interrupt::check()?;
            let read = self.file.read(&mut piece).map_err(|error| self.failed("read", error))?;
            if read == 0 {
                break;
            }
            self.hasher.update(&piece[..read]);
            self.length += read as u64;
        }
        if self.length > remote.bytes { self.restart(remote) } else { Ok(()) }
    }

    fn restart(&mut self, remote: &RemoteFile) -> Result<()> {
        self.length = 0;
        self.hasher = remote.checksum.hasher(remote.bytes);
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(|_| ()).map_err(|error| self.failed("empty", error))
    }

    /// Fetches what is missing, as often as it takes; returns the bytes fetched.
    fn fill(
        &mut self,
        client: &Client,
        remote: &RemoteFile,
        progress: &dyn Fn(u64),
    ) -> Result<u64> {
        let (mut retry, mut fetched) = (Retry::new(), 0);
        while self.length < remote.bytes {
            let before = self.length;
            let result = self.fetch_rest(client, remote, progress);
            let more = self.length.saturating_sub(before);
            fetched += more;
            if more > 0 {
                retry.progressed();
            }
            if let Err(error) = result {
                retry.wait(error)?;
            }
        }
        Ok(fetched)
    }

    fn fetch_rest(
        &mut self,
        client: &Client,
        remote: &RemoteFile,
        progress: &dyn Fn(u64),
    ) -> Result<()> {
        let answer = client.get(&remote.url, self.length)?;
        if self.length > 0 && answer.status() != StatusCode::PARTIAL_CONTENT {
            // A server that doesn't know how to resume sends everything.
            self.restart(remote)?;
        }
        let broken = |got, source| {
            let (url, expected) = (remote.url.clone(), remote.bytes);
            Error::Broken { url, got, expected, source }
        };
        let mut body = answer.into_body().into_reader();
        let mut piece = vec![0; PIECE];
        while self.length < remote.bytes {
            interrupt::check()?;
            let most = (remote.bytes - self.length).min(PIECE as u64) as usize;
            let read = match body.read(&mut piece[..most]) {
                Ok(0) => return Err(broken(self.length, None)),
                Ok(read) => read,
                Err(error) => return Err(broken(self.length, Some(error))),
            };
            self.file.write_all(&piece[..read]).map_err(|error| self.failed("write", error))?;
            self.hasher.update(&piece[..read]);
            self.length += read as u64;
            progress(self.length);
        }
        Ok(())
    }

    /// Compares the hash; a damaged file is emptied, so that the next attempt starts anew.
    fn verify(&mut self, remote: &RemoteFile) -> Result<()> {
        let empty = remote.checksum.hasher(remote.bytes);
        let found = std::mem::replace(&mut self.hasher, empty).finish();
        if found == remote.checksum.hex() {
            return Ok(());
        }
        self.restart(remote)?;
        Err(Error::Checksum {
            file: remote.path.clone(),
            kind: remote.checksum.kind(),
            expected: remote.checksum.hex().to_owned(),
            found,
        })
    }

    fn put(self, blob: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed("write", error))?;
        std::fs::rename(&self.path, blob).map_err(|error| self.failed("move", error))
    }

    fn failed(&self, doing: &'static str, source: std::io::Error) -> Error {
        Error::Cache { doing, path: self.path.clone(), source }
    }
}
