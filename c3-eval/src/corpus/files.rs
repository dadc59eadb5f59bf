//! Plain files and folders of them.

use std::path::{Path, PathBuf};

use super::{Sample, jsonl, prepared, read_text};
use crate::{Error, Result};

/// Endings of the files that a folder's texts are taken from.
const ENDINGS: [&str; 3] = ["txt", "md", "jsonl"];

/// Those endings, for messages.
pub(super) fn endings() -> String {
    let [others @ .., last] = ENDINGS.map(|ending| format!(".{ending}"));
    format!("{} and {last}", others.join(", "))
}

/// The texts of a file or folder.
pub(super) fn read(path: &Path) -> Result<Vec<Sample>> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !metadata.is_dir() {
        return read_file(path, name(path));
    }
    let mut files = Vec::new();
    walk(path, &mut files)?;
    files.sort();
    let mut samples = Vec::new();
    for file in files {
        let id = file.strip_prefix(path).unwrap_or(&file).display().to_string();
        samples.extend(read_file(&file, id)?);
    }
    Ok(samples)
}

fn read_file(path: &Path, id: String) -> Result<Vec<Sample>> {
    if path.extension().is_some_and(|ending| ending == "jsonl") {
        return jsonl::read(path);
    }
    match prepared::index_of(path) {
        Some(index) => prepared::read(path, &index),
        None => Ok(vec![Sample::document(id, read_text(path)?)]),
    }
}

/// Adds the text files of a folder and of those in it. Links are followed to files alone: a link to a
/// folder may lead back to where it is.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.map_err(Error::io("read", &path))?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file()
            && path.extension().is_some_and(|e| ENDINGS.iter().any(|k| e == *k))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
