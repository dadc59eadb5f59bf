//! A table of result files, printed or put into a document.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use c3_core::AtomicFile;
use c3_eval::results::{CostRecord, Header, Record, read_results};
use c3_eval::{Summary, tables};
use clap::ValueEnum;

use crate::output;
use crate::report::Outcome;

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableOf {
    /// Char similarity of each text at each ratio
    Similarity,
    /// The same with intervals, and the share of exact texts
    Card,
    /// The metrics of each text at each ratio
    Metrics,
    /// Share of wrong tokens in each quarter of a text, and whether errors gather at its end
    Position,
    /// Whether char similarity falls from each ratio to the next
    Decline,
    /// Plain texts beside what was made of them, or held-out texts beside those out of domain
    Gap,
    /// Speed, memory and bytes
    Cost,
}

/// A table, and where it goes.
pub struct Table {
    pub results: Vec<PathBuf>,
    pub of: TableOf,
    /// A document, and the name of the marks in it.
    pub into: Option<(PathBuf, String)>,
}

impl Table {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let table = match self.of {
            TableOf::Cost => {
                let records = self.records::<CostRecord>()?;
                tables::cost(
                    &records.into_iter().flat_map(|(_, records)| records).collect::<Vec<_>>(),
                )
            }
            of => self.of_texts(of)?,
        };
        match &self.into {
            None => output::print(&table.to_markdown())?,
            Some((path, mark)) => replace(path, mark, &table.to_markdown())?,
        }
        Ok(Outcome::Done)
    }

    fn of_texts(&self, of: TableOf) -> anyhow::Result<tables::Table> {
        let mut joined = tables::Table::default();
        let mut all = Vec::new();
        for (header, records) in self.records::<Record>()? {
            if of == TableOf::Gap {
                let mut table = tables::gap(&header, &records);
                joined.header = table.header;
                joined.rows.append(&mut table.rows);
            }
            all.extend(records);
        }
        let rows = || Summary::of(&all).rows;
        Ok(match of {
            TableOf::Gap | TableOf::Cost => joined,
            TableOf::Decline => tables::decline(&all),
            TableOf::Similarity => tables::similarity(&rows()),
            TableOf::Card => tables::card(&rows()),
            TableOf::Metrics => tables::metrics(&rows()),
            TableOf::Position => tables::position(&rows()),
        })
    }

    fn records<R: serde::de::DeserializeOwned>(&self) -> anyhow::Result<Vec<(Header, Vec<R>)>> {
        let read = |path: &PathBuf| {
            let results = read_results::<R>(path)?;
            Ok((results.header, results.records))
        };
        self.results.iter().map(read).collect()
    }
}

/// Puts `table` between the lines `<!-- mark -->` and `<!-- /mark -->` of a document.
fn replace(path: &Path, mark: &str, table: &str) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let between = text.find(&begin).map(|at| at + begin.len()).and_then(|start| {
        let length = text[start..].find(&end)?;
        Some(start..start + length)
    });
    let Some(between) = between else {
        bail!("{} has no lines {} and {end}", path.display(), begin.trim_end());
    };
    let mut file = AtomicFile::create(path, true)?;
    let parts = [&text[..between.start], table, &text[between.end..]];
    file.write_all(parts.concat().as_bytes())
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(file.commit()?)
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_table_replaces_what_stood_between_its_marks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("README.md");
        std::fs::write(&path, "a\n<!-- t -->\nold\n<!-- /t -->\nb\n").unwrap();
        for table in ["| new |\n", "| newer |\n"] {
            replace(&path, "t", table).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("a\n<!-- t -->\n{table}<!-- /t -->\nb\n"));
        }
        assert!(replace(&path, "other", "x").unwrap_err().to_string().contains("<!-- other -->"));
    }
}
