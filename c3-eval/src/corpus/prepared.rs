//! Sets that `corpus/prepare.py` writes: documents in one file, and an index of them beside it.

use std::path::{Path, PathBuf};

use super::{Sample, malformed, read_text};
use crate::Result;

const COLUMNS: [&str; 6] = ["offset", "bytes", "lang", "source", "group", "id"];

/// The index of the set `NAME.txt`, `NAME.idx.tsv`, if there is one.
pub(super) fn index_of(path: &Path) -> Option<PathBuf> {
    let text = path.extension().is_some_and(|ending| ending == "txt");
    let index = path.with_extension("idx.tsv");
    (text && index.is_file()).then_some(index)
}

/// The documents that the index names.
pub(super) fn read(path: &Path, index: &Path) -> Result<Vec<Sample>> {
    let (text, table) = (read_text(path)?, read_text(index)?);
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    if header.split('\t').ne(COLUMNS) {
        let expected = "the columns offset, bytes, lang, source, group and id";
        return Err(malformed(index, "line 1".into(), expected, format!("{header:?}")));
    }
    let document = |(number, line): (usize, &str)| {
        let cells: Vec<&str> = line.split('\t').collect();
        let range = || {
            let [offset, bytes, _, source, _, id] = cells[..] else { return None };
            let (start, bytes) = (offset.parse::<usize>().ok()?, bytes.parse::<usize>().ok()?);
            let document = text.get(start..start.checked_add(bytes)?)?;
            Some(Sample::document(format!("{source}/{id}"), document.to_owned()))
        };
        range().ok_or_else(|| {
            let expected = "a document's six columns, its bytes within the text";
            malformed(index, format!("line {}", number + 2), expected, format!("{line:?}"))
        })
    };
    lines.enumerate().filter(|(_, line)| !line.is_empty()).map(document).collect()
}
