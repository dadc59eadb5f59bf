//! What a run remembers of how it was begun, so that it doesn't go on as another one.

use std::fs;
use std::path::Path;

use c3_nn::Checkpoint;
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use crate::error::io;
use crate::{Config, Error, From, Result, Tokens, export};

/// Whether a run was begun in the folder; refuses to go on with one of another outcome.
pub(crate) fn same_run(config: &Config, folder: &Path) -> Result<bool> {
    let path = folder.join("config.toml");
    if !path.exists() {
        return Ok(false);
    }
    let syntax = |reason: String| Error::Syntax { path: path.clone(), reason };
    let text = fs::read_to_string(&path).map_err(io(&path, "reading"))?;
    let before: Config = toml::from_str(&text).map_err(|error| syntax(error.to_string()))?;
    // Earlier versions wrote paths as they found them, from the working directory.
    let before = before.absolute()?;
    let differing = [
        ("seed", before.seed == config.seed),
        ("from", before.from == config.from),
        ("data", before.data == config.data),
        ("stages", before.stages == config.stages),
        ("optimizer", before.optimizer == config.optimizer),
    ];
    match differing.iter().find(|(_, same)| !same) {
        Some((name, _)) => Err(other(folder, name)),
        // Earlier versions wrote their settings first, and what they read when they had read it.
        None => Ok(folder.join("data.json").exists()),
    }
}

/// Notes that a run begins: which program begins it, what it begins with, what it reads, file by file,
/// and its settings. Those come last: before they are there, no run has begun.
pub(crate) fn begin(
    config: &Config,
    base: &Checkpoint,
    texts: [&Tokens; 2],
    folder: &Path,
) -> Result<()> {
    let [train, valid] = texts.map(Tokens::files);
    let begun = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "from": identity(base),
        "data": of_texts(texts),
        "files": { "train": train, "valid": valid },
    });
    export::write_json(&folder.join("data.json"), &begun)?;
    let path = folder.join("config.toml");
    let text = toml::to_string_pretty(config)
        .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })?;
    let partial = folder.join("config.toml.partial");
    fs::write(&partial, text).map_err(io(&partial, "writing"))?;
    fs::rename(&partial, &path).map_err(io(&path, "renaming to"))
}

/// Refuses to go on with other text than was read, or from another model than was begun with.
pub(crate) fn same_data(
    config: &Config,
    base: &Checkpoint,
    texts: [&Tokens; 2],
    folder: &Path,
) -> Result<()> {
    let path = folder.join("data.json");
    let bytes = fs::read(&path).map_err(io(&path, "reading"))?;
    let before: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Syntax { path: path.clone(), reason: error.to_string() })?;
    if before["data"] != of_texts(texts) {
        return Err(other(folder, "the text of data"));
    }
    // Earlier versions didn't note it. What a run has made itself it has made from its settings.
    let another = before.get("from").is_some_and(|before| *before != identity(base));
    match another && matches!(config.from, From::Checkpoint(_)) {
        true => Err(other(folder, "the model of from.checkpoint")),
        false => Ok(()),
    }
}

fn of_texts(texts: [&Tokens; 2]) -> Value {
    let [train, valid] =
        texts.map(|tokens| json!({ "hash": tokens.hash(), "tokens": tokens.len() }));
    json!({ "train": train, "valid": valid })
}

fn other(folder: &Path, name: &str) -> Error {
    Error::OtherRun { path: folder.into(), name: name.into() }
}

/// A hash of all that a checkpoint computes with: xxh3, 16 hexadecimal digits.
fn identity(checkpoint: &Checkpoint) -> String {
    let mut hash = Xxh3::new();
    let mut visit = |name: &str, bytes: &[u8]| {
        hash.update(name.as_bytes());
        hash.update(bytes);
    };
    checkpoint.visit_identity(&mut visit);
    checkpoint.visit_decoder(&mut visit);
    format!("{:016x}", hash.digest())
}
