//! Lines of JSON with a text each.

use std::path::Path;

use super::{Sample, json_kind, malformed, read_text};
use crate::Result;

/// The texts of a file; blank lines are passed over.
pub(super) fn read(path: &Path) -> Result<Vec<Sample>> {
    let lines = read_text(path)?;
    let filled = lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled.map(|(number, line)| sample(path, number + 1, line)).collect()
}

fn sample(path: &Path, number: usize, line: &str) -> Result<Sample> {
    let expected = "an object with a string `text`";
    let wrong = |found: String| malformed(path, format!("line {number}"), expected, found);
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
    if !value.is_object() {
        return Err(wrong(json_kind(Some(&value)).into()));
    }
    let text = value["text"].as_str().ok_or_else(|| {
        wrong(format!("an object whose `text` is {}", json_kind(value.get("text"))))
    })?;
    let id = match &value["id"] {
        serde_json::Value::String(id) => id.clone(),
        serde_json::Value::Null => number.to_string(),
        other => other.to_string(),
    };
    Ok(Sample::document(id, text.to_owned()))
}
