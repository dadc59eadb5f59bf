//! Fetching a whole model: list, look up, download, link.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::download::download;
use super::error::{Error, Result};
use super::listing::{RemoteFile, list, look_up};
use super::{Cache, HubSettings, Pulled, PulledFile, RepoId};
use crate::interrupt;
use crate::progress::Progress;
use crate::report::with_hint;
use crate::ui::Ui;

/// Whether this build can fetch models.
pub const COMPILED_IN: bool = true;

/// Brings `repo` into the cache, as far as it isn't there yet.
pub fn pull(repo: &RepoId, settings: &HubSettings, ui: &Ui) -> anyhow::Result<Pulled> {
    fetch(repo, settings, ui).map_err(|error| match error.hint() {
        Some(hint) => with_hint(error, hint),
        None => error.into(),
    })
}

fn fetch(repo: &RepoId, settings: &HubSettings, ui: &Ui) -> Result<Pulled> {
    let client = Client::new(settings)?;
    let listing = list(&client, repo)?;
    let remotes = listing
        .files
        .iter()
        .map(|path| {
            interrupt::check()?;
            look_up(&client, repo, &listing.commit, path)
        })
        .collect::<Result<Vec<RemoteFile>>>()?;

    let folder = Cache::new(&settings.cache).folder(repo);
    let (blobs, snapshot) = (folder.join("blobs"), folder.join("snapshots").join(&listing.commit));
    create(&blobs)?;
    let total = remotes.iter().map(|remote| remote.bytes).sum();
    let progress = Progress::bytes(ui, "fetching", Some(total));
    let (before, mut fetched_bytes) = (Cell::new(0), 0);
    let mut files = Vec::new();
    for remote in &remotes {
        progress.message(remote.path.clone());
        let at = |here| progress.at(before.get() + here);
        let fetched = download(&client, remote, &blobs, &at)?;
        before.set(before.get() + remote.bytes);
        progress.at(before.get());
        link(&snapshot, remote)?;
        fetched_bytes += fetched;
        let (path, bytes) = (remote.path.clone(), remote.bytes);
        files.push(PulledFile { path, bytes, cached: fetched == 0 && bytes > 0 });
    }
    // Last: a revision is named only once all of it is here.
    let revision = repo.revision_or_main();
    if revision != listing.commit {
        let path = folder.join("refs").join(revision);
        create(path.parent().unwrap_or(&folder))?;
        write_whole(&path, listing.commit.as_bytes())?;
    }
    Ok(Pulled {
        repo: repo.path(),
        revision: revision.to_owned(),
        commit: listing.commit,
        path: snapshot,
        fetched_bytes,
        files,
    })
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(cache_error("create", folder))
}

/// Replaces a small file at once.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, bytes).map_err(cache_error("write", &temporary))?;
    fs::rename(&temporary, path).map_err(cache_error("replace", path))
}

/// Puts a blob into the snapshot under its path in the repository, by a relative link.
fn link(snapshot: &Path, remote: &RemoteFile) -> Result<()> {
    let path = snapshot.join(&remote.path);
    create(path.parent().unwrap_or(snapshot))?;
    // Out of the file's folder, out of the commit's, out of `snapshots`.
    let up = remote.path.matches('/').count() + 2;
    let target: PathBuf =
        std::iter::repeat_n("..", up).chain(["blobs", remote.checksum.hex()]).collect();
    if fs::read_link(&path).is_ok_and(|present| present == target) {
        return Ok(());
    }
    let mut temporary = path.clone().into_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    // Left by a process that was killed and had the same id.
    let _ = fs::remove_file(&temporary);
    symlink(&target, &temporary).map_err(cache_error("link", &temporary))?;
    fs::rename(&temporary, &path).map_err(cache_error("replace", &path))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Where links need a privilege, the blob itself is linked or copied, as the hub's own client does.
#[cfg(not(unix))]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    let blob = link.parent().unwrap_or(Path::new("")).join(target);
    fs::hard_link(&blob, link).or_else(|_| fs::copy(&blob, link).map(|_| ()))
}

fn cache_error(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Cache { doing, path, source }
}
