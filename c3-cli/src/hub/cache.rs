//! The hub's cache on disk: `models--ORG--NAME/{blobs, refs, snapshots}`.

use std::path::{Path, PathBuf};

use super::RepoId;

/// The hub's cache.
pub struct Cache {
    root: PathBuf,
}

/// A C3 checkpoint in the cache.
#[derive(serde::Serialize)]
pub struct CachedModel {
    /// `ORG/NAME`.
    pub name: String,
    pub commit: String,
    pub path: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Cache {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder of one repository.
    pub fn folder(&self, repo: &RepoId) -> PathBuf {
        self.root.join(repo.cache_folder())
    }

    /// The files of a repository at the revision that it names, if they are here.
    pub fn snapshot(&self, repo: &RepoId) -> Option<PathBuf> {
        let folder = self.folder(repo);
        let revision = repo.revision_or_main();
        let named = std::fs::read_to_string(folder.join("refs").join(revision)).ok();
        let commit = named.as_deref().map_or(revision, str::trim);
        // What a file says is no path until it was looked at.
        let commit = Some(commit).filter(|commit| super::repo::is_plain(commit))?;
        Some(folder.join("snapshots").join(commit)).filter(|path| path.is_dir())
    }

    /// Every C3 checkpoint in the cache, by name and commit.
    pub fn models(&self) -> Vec<CachedModel> {
        let mut models = Vec::new();
        for (folder, path) in children(&self.root) {
            let Some(repo) = RepoId::from_cache_folder(&folder) else { continue };
            for (commit, path) in children(&path.join("snapshots")) {
                if is_c3(&path) {
                    models.push(CachedModel {
                        name: repo.path(),
                        commit,
                        bytes: size(&path),
                        path,
                    });
                }
            }
        }
        models.sort_by(|a, b| (&a.name, &a.commit).cmp(&(&b.name, &b.commit)));
        models
    }
}

/// Whether the folder's `config.json` says that it is a C3 model.
fn is_c3(snapshot: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct Config {
        model_type: String,
    }
    std::fs::read(snapshot.join("config.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Config>(&bytes).ok())
        .is_some_and(|config| config.model_type == "C3")
}

/// Names and paths in a folder; nothing where it can't be read.
fn children(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect()
}

/// Bytes of the files in a snapshot, which is one folder deep.
fn size(snapshot: &Path) -> u64 {
    let bytes = |path: &Path| path.metadata().ok().filter(|m| m.is_file()).map_or(0, |m| m.len());
    children(snapshot)
        .iter()
        .map(|(_, path)| {
            if path.is_dir() {
                children(path).iter().map(|(_, p)| bytes(p)).sum()
            } else {
                bytes(path)
            }
        })
        .sum()
}
