//! Paths that mean the same wherever the program is run.

use std::path::{Component, Path, PathBuf};

use crate::error::io;
use crate::{Config, From, Result};

impl Config {
    /// The same with absolute paths; relative ones begin at the working directory. A run remembers
    /// these: it goes on, and its `config.toml` can be run again, from anywhere.
    ///
    /// # Errors
    /// Where there is no working directory, or a path is empty.
    pub(crate) fn absolute(mut self) -> Result<Self> {
        for path in self.paths() {
            *path = absolute(path).map_err(io(path, "finding"))?;
        }
        Ok(self)
    }

    /// All of its paths.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = match &mut self.from {
            From::Checkpoint(path) => vec![path],
            From::Scratch(shape) => vec![&mut shape.tokenizer],
            From::Pair(pair) => {
                let mut paths = vec![&mut pair.encoder, &mut pair.decoder];
                paths.extend(&mut pair.tokenizer);
                paths
            }
        };
        paths.extend(&mut self.data.train);
        paths.extend(&mut self.data.valid);
        paths.extend(&mut self.run.cache);
        paths
    }
}

/// The path from the root, without `.` and `..`.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let mut whole = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                // What is above a link's target need not be what is above the link.
                if whole.is_symlink()
                    && let Ok(target) = whole.canonicalize()
                {
                    whole = target;
                }
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_from_the_root() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("a/./b.txt")).unwrap(), here.join("a/b.txt"));
        assert_eq!(absolute(Path::new("a/b/../../c*.txt")).unwrap(), here.join("c*.txt"));
        assert_eq!(absolute(Path::new("..")).unwrap(), here.parent().unwrap());
        assert!(absolute(Path::new("")).is_err());
        if cfg!(unix) {
            assert_eq!(absolute(Path::new("/x/../../y")).unwrap(), Path::new("/y"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn above_a_link_is_what_is_above_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("deep/target")).unwrap();
        std::os::unix::fs::symlink(real.join("deep/target"), real.join("link")).unwrap();
        assert_eq!(absolute(&real.join("link/../x")).unwrap(), real.join("deep/x"));
        assert_eq!(absolute(&real.join("link/x")).unwrap(), real.join("link/x"));
    }
}
