//! Names of repositories.

use std::fmt;
use std::str::FromStr;

/// `ORG/NAME`, perhaps `@REVISION`: a branch, a tag or a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoId {
    org: String,
    name: String,
    revision: Option<String>,
}

impl RepoId {
    /// The revision asked for.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The revision asked for, or the hub's default.
    pub fn revision_or_main(&self) -> &str {
        self.revision().unwrap_or("main")
    }

    /// `ORG/NAME`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.org, self.name)
    }

    /// The folder that the hub's clients keep it in.
    pub fn cache_folder(&self) -> String {
        format!("models--{}--{}", self.org, self.name)
    }

    /// The repository of a folder in the cache.
    pub fn from_cache_folder(folder: &str) -> Option<Self> {
        let (org, name) = folder.strip_prefix("models--")?.split_once("--")?;
        format!("{org}/{name}").parse().ok()
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.name)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

impl FromStr for RepoId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, revision) = match text.split_once('@') {
            Some((path, revision)) => (path, Some(revision)),
            None => (text, None),
        };
        let expected = || "expected ORG/NAME or ORG/NAME@REVISION".to_owned();
        let (org, name) = path.split_once('/').ok_or_else(expected)?;
        // Both become folders and parts of addresses: nothing that could lead elsewhere.
        let plain = is_plain(org) && is_plain(name);
        if plain && revision.is_none_or(|revision| revision.split('/').all(is_plain)) {
            let (org, name) = (org.to_owned(), name.to_owned());
            Ok(Self { org, name, revision: revision.map(str::to_owned) })
        } else {
            Err(expected())
        }
    }
}

/// Whether `part` is a harmless part of a path.
pub fn is_plain(part: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_and_together() {
        let repo: RepoId = "org/some-model_1.5@refs/pr/3".parse().unwrap();
        assert_eq!(repo.path(), "org/some-model_1.5");
        assert_eq!(repo.revision(), Some("refs/pr/3"));
        assert_eq!(repo.to_string(), "org/some-model_1.5@refs/pr/3");
        assert_eq!(repo.cache_folder(), "models--org--some-model_1.5");
        let again = RepoId::from_cache_folder("models--org--some--model").unwrap();
        assert_eq!(again.path(), "org/some--model");
        assert_eq!(again.revision_or_main(), "main");
    }

    #[test]
    fn nothing_leads_out_of_the_cache() {
        for bad in [
            "",
            "a",
            "/a",
            "a/",
            "../b",
            "a/..",
            "a/b/c",
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a b/c",
            "a/b@/x",
            "a\\b/c",
            "a/b?c",
            "./a",
            "a/b@..",
        ] {
            assert!(bad.parse::<RepoId>().is_err(), "{bad}");
        }
    }
}
