//! Models by name: built in, a folder, or a repository in the hub's cache.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{anyhow, bail};
use c3_nn::Checkpoint;

use crate::builtin;
use crate::hub::{Cache, HubSettings, RepoId};
use crate::report::with_hint;

/// A model as the user names it.
#[derive(Clone)]
pub enum ModelName {
    Builtin,
    /// `org/name` can be either; a folder that exists wins.
    Path(PathBuf, Option<RepoId>),
    Repo(RepoId),
}

impl ModelName {
    pub const DEFAULT: &str = "builtin";

    /// What the model is called: as the user names it, so that others can find it.
    pub fn name(&self, checkpoint: &Checkpoint) -> String {
        match self {
            Self::Path(path, Some(repo)) if !path.exists() => repo.to_string(),
            Self::Repo(repo) => repo.to_string(),
            Self::Builtin | Self::Path(..) => checkpoint.name().to_owned(),
        }
    }

    /// Opens the checkpoint; nothing is fetched.
    pub fn open(&self, hub: &HubSettings) -> anyhow::Result<Checkpoint> {
        match self {
            Self::Builtin => {
                let Some(files) = builtin::files() else {
                    let error = anyhow!("this build has no built-in model");
                    return Err(with_hint(error, "name one with --model DIR or --model REPO"));
                };
                Ok(Checkpoint::from_memory(builtin::NAME, files)?)
            }
            Self::Path(path, repo) => match repo {
                Some(repo) if !path.exists() => open_repo(repo, hub),
                _ => open_folder(path),
            },
            Self::Repo(repo) => open_repo(repo, hub),
        }
    }
}

fn open_folder(path: &Path) -> anyhow::Result<Checkpoint> {
    if !path.is_dir() {
        let found = if path.exists() { "is a file" } else { "does not exist" };
        bail!("model {} {found}: expected a folder with config.json", path.display());
    }
    Ok(Checkpoint::open(path)?)
}

fn open_repo(repo: &RepoId, hub: &HubSettings) -> anyhow::Result<Checkpoint> {
    let Some(snapshot) = Cache::new(&hub.cache).snapshot(repo) else {
        let cache = hub.cache.display();
        let error = anyhow!("model {repo} is neither a folder nor in the hub's cache, {cache}");
        return Err(with_hint(error, format!("fetch it with `c3 pull {repo}`")));
    };
    Ok(Checkpoint::open(&snapshot)?)
}

impl FromStr for ModelName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == Self::DEFAULT {
            return Ok(Self::Builtin);
        }
        let path = PathBuf::from(name);
        match name.parse::<RepoId>() {
            Ok(repo) if repo.revision().is_some() && !path.exists() => Ok(Self::Repo(repo)),
            Ok(repo) => Ok(Self::Path(path, Some(repo))),
            Err(_) if name.is_empty() => Err("expected builtin, a folder or ORG/NAME[@REV]".into()),
            Err(_) => Ok(Self::Path(path, None)),
        }
    }
}
