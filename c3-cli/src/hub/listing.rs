//! What a repository holds, and which of it a C3 model needs.

use serde::Deserialize;
use ureq::http::{HeaderMap, header};

use super::RepoId;
use super::client::Client;
use super::error::{Error, Result};
use super::repo::is_plain;
use super::retry::retry;
use super::verify::Checksum;

/// The answer's size is bounded: a listing is text, and ours to keep in memory.
const LISTING_LIMIT: u64 = 16 << 20;

/// A repository at one commit.
pub struct Listing {
    pub commit: String,
    /// Paths within the repository, those that a C3 model needs.
    pub files: Vec<String>,
}

/// A file on the hub.
pub struct RemoteFile {
    pub path: String,
    pub url: String,
    pub bytes: u64,
    pub checksum: Checksum,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Asks which files `repo` has at its revision.
pub fn list(client: &Client, repo: &RepoId) -> Result<Listing> {
    let revision = repo.revision_or_main().replace('/', "%2F");
    let url = client.url(&format!("api/models/{}/revision/{revision}", repo.path()));
    let text = retry(|| {
        let mut answer = client.get(&url, 0)?;
        let text = answer.body_mut().with_config().limit(LISTING_LIMIT).read_to_string();
        text.map_err(|source| Error::Connection { url: url.clone(), source })
    })?;
    let answer: Answer = serde_json::from_str(&text).map_err(|error| Error::Answer {
        url: url.clone(),
        reason: format!("not a listing of a repository: {error}"),
    })?;
    // It becomes the name of a folder.
    if !is_plain(&answer.sha) {
        let reason = format!("{:?} is not a commit", answer.sha);
        return Err(Error::Answer { url, reason });
    }
    let paths = answer.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    Ok(Listing { commit: answer.sha, files: wanted(repo, paths)? })
}

/// Which of a repository's files a C3 model needs.
fn wanted(repo: &RepoId, paths: Vec<String>) -> Result<Vec<String>> {
    let has = |path: &str| paths.iter().any(|p| p == path);
    let tokenizer = has("tokenizer.json") || has("qwen.tiktoken");
    let weights = |path: &String| !path.contains('/') && path.ends_with(".safetensors");
    let checks = [
        (has("config.json"), "config.json"),
        (has("llm1/config.json"), "llm1/config.json"),
        (tokenizer, "tokenizer.json or qwen.tiktoken"),
        (paths.iter().any(weights), "*.safetensors"),
    ];
    if let Some((_, missing)) = checks.iter().find(|(present, _)| !present) {
        return Err(Error::NotC3 { repo: repo.to_string(), missing });
    }
    let json_tokenizer = has("tokenizer.json");
    let mut files: Vec<String> =
        paths.into_iter().filter(|path| is_wanted(path, json_tokenizer)).collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

fn is_wanted(path: &str, json_tokenizer: bool) -> bool {
    let name = path.strip_prefix("llm1/").unwrap_or(path);
    // Paths become paths here: no folder but llm1, and nothing that leads elsewhere.
    is_plain(name)
        && (matches!(name, "config.json" | "generation_config.json" | "tokenizer.json")
            || name == "qwen.tiktoken" && !json_tokenizer
            || name.ends_with(".safetensors")
            || name.ends_with(".safetensors.index.json"))
}

/// Asks how long a file is and what it hashes to.
pub fn look_up(client: &Client, repo: &RepoId, commit: &str, path: &str) -> Result<RemoteFile> {
    let url = client.url(&format!("{}/resolve/{commit}/{path}", repo.path()));
    let headers = retry(|| client.head(&url))?;
    let answer = |reason: &str| Error::Answer { url: url.clone(), reason: reason.into() };
    let etag = text(&headers, "x-linked-etag").or_else(|| text(&headers, header::ETAG.as_str()));
    let etag = etag.ok_or_else(|| answer("no ETag"))?;
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    let checksum = Checksum::parse(etag)
        .ok_or_else(|| answer("its ETag is neither a sha-256 nor a git hash"))?;
    let bytes = text(&headers, "x-linked-size")
        .or_else(|| text(&headers, header::CONTENT_LENGTH.as_str()))
        .and_then(|bytes| bytes.parse().ok())
        .ok_or_else(|| answer("no length"))?;
    Ok(RemoteFile { path: path.to_owned(), url, bytes, checksum })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_of(paths: &[&str]) -> Result<Vec<String>> {
        wanted(&"a/b".parse().unwrap(), paths.iter().map(|&p| p.to_owned()).collect())
    }

    const COMPLETE: [&str; 4] =
        ["config.json", "llm1/config.json", "qwen.tiktoken", "model.safetensors"];

    #[test]
    fn only_what_a_model_needs_and_only_where_it_belongs() {
        let mut paths = COMPLETE.to_vec();
        paths.extend([
            "README.md",
            "pytorch_model.bin",
            "../config.json",
            "llm1/../x.safetensors",
            "llm1/model-1.safetensors",
            "model.safetensors.index.json",
            "/etc/x.safetensors",
            "other/x.safetensors",
            "llm1/llm1/config.json",
            ".safetensors",
            "a\\b.safetensors",
        ]);
        let expected = [
            "config.json",
            "llm1/config.json",
            "llm1/model-1.safetensors",
            "model.safetensors",
            "model.safetensors.index.json",
            "qwen.tiktoken",
        ];
        assert_eq!(wanted_of(&paths).unwrap(), expected);
        paths.push("tokenizer.json");
        let with_json = wanted_of(&paths).unwrap();
        assert!(!with_json.iter().any(|path| path == "qwen.tiktoken"));
    }

    #[test]
    fn another_kind_of_model_is_refused_before_gigabytes_are_fetched() {
        for missing in 0..COMPLETE.len() {
            let mut paths = COMPLETE.to_vec();
            paths.remove(missing);
            assert!(matches!(wanted_of(&paths), Err(Error::NotC3 { .. })), "{paths:?}");
        }
    }
}
