//! Results of several files, as one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{CorpusIdentity, Record, Results};
use crate::{Error, Group, ModelIdentity, Result, groups};

/// Results of one model from several files.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The model.
    pub model: ModelIdentity,
    /// The corpora of all files, each once.
    pub corpora: Vec<CorpusIdentity>,
    /// The records of all files, each group's once.
    pub records: Vec<Record>,
}

/// Puts the files of several experiments with one model together, in their order. What two files both
/// measured counts once, as the plain texts of `sweep` and `unguessable` do.
///
/// # Errors
/// Where a file is of another model, has other results for what an earlier one measured, or nothing that
/// an earlier one hasn't; and where there is no file.
pub fn merge(files: Vec<(PathBuf, Results)>) -> Result<Merged> {
    let mut files = files.into_iter().map(|(path, results)| (path, results.binned()));
    let (first, results) =
        files.next().ok_or_else(|| Error::NothingToReport("no result file was given".into()))?;
    let mut seen = from(&first, &results);
    let Results { header, records } = results;
    let mut merged = Merged { model: header.model, corpora: header.corpora, records };
    for (path, results) in files {
        let mixed = |other: &Path, why: String| {
            Err(Error::Mixed { path: path.clone(), other: other.into(), why })
        };
        let Results { header, records } = &results;
        if header.model != merged.model {
            return mixed(&first, format!("the models are {} and {}", header.model, merged.model));
        }
        let before = groups(&merged.records);
        let mut new: Vec<Record> = Vec::new();
        for (group, records) in groups(records) {
            let Some(other) = seen.get(&group) else {
                new.extend(records.into_iter().cloned());
                continue;
            };
            let earlier = before.iter().find(|(of, _)| *of == group).map(|(_, records)| records);
            if earlier != Some(&records) {
                let (label, ratio) = (group.label(), group.ratio);
                return mixed(other, format!("both have {label} at {ratio}, with other results"));
            }
        }
        if new.is_empty() {
            return mixed(&first, "the later has nothing that the earlier hasn't".into());
        }
        drop(before);
        for (group, path) in from(&path, &results) {
            seen.entry(group).or_insert(path);
        }
        merged.records.append(&mut new);
        for corpus in results.header.corpora {
            if !merged.corpora.contains(&corpus) {
                merged.corpora.push(corpus);
            }
        }
    }
    Ok(merged)
}

/// Which file a group's records are from.
fn from(path: &Path, results: &Results) -> HashMap<Group, PathBuf> {
    groups(&results.records).into_iter().map(|(group, _)| (group, path.to_owned())).collect()
}
