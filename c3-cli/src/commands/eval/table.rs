//! A table of result files, printed or put into a document.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use c3_core::AtomicFile;
use c3_eval::results::{CostRecord, Merged, Results, merge, read_header, read_results};
use c3_eval::{Summary, tables};
use clap::ValueEnum;
use serde::de::DeserializeOwned;

use super::Context;
use crate::output;
use crate::report::Outcome;

/// Which table.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableOf {
    /// Char similarity of each text at each ratio
    Similarity,
    /// The same with intervals, and the share of exact texts
    Card,
    /// Every metric of each text at each ratio, with intervals
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
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let text = match self.of {
            TableOf::Cost => self.cost(context)?,
            of => {
                let Merged { corpora, records, .. } = merge(self.files(context)?)?;
                let rows = || Summary::of(&records).rows;
                let table = match of {
                    TableOf::Similarity => tables::similarity(&rows()),
                    TableOf::Card => tables::card(&rows()),
                    TableOf::Metrics => tables::every_metric(&rows()),
                    TableOf::Position => tables::position(&rows()),
                    TableOf::Decline => tables::decline(&records),
                    TableOf::Gap | TableOf::Cost => tables::gap(&corpora, &records),
                };
                table.to_markdown()
            }
        };
        match &self.into {
            None => output::print(&text)?,
            Some((path, mark)) => replace(path, mark, &text)?,
        }
        Ok(Outcome::Done)
    }

    /// What one model cost on one machine, which stands under the table: rates of two say nothing side
    /// by side.
    fn cost(&self, context: &Context) -> anyhow::Result<String> {
        let files = self.files::<CostRecord>(context)?;
        let [(_, Results { header, records })] = &files[..] else {
            bail!("a table of cost is of one result file");
        };
        let threads = header.cost.as_ref().map_or(0, |plan| plan.threads);
        Ok(format!(
            "{}\n{}, {threads} threads.\n",
            tables::cost(records).to_markdown(),
            header.place()
        ))
    }

    /// The files, each of an experiment that the table can be of.
    fn files<R: DeserializeOwned>(
        &self,
        context: &Context,
    ) -> anyhow::Result<Vec<(PathBuf, Results<R>)>> {
        let read = |path: &PathBuf| {
            let header = read_header(path)?;
            if header.cost.is_some() != (self.of == TableOf::Cost) {
                let of = self.of.to_possible_value();
                bail!(
                    "{} holds results of `c3 eval {}`: there is no table {} of it",
                    path.display(),
                    header.experiment,
                    of.as_ref().map_or("", |of| of.get_name()),
                );
            }
            let results = read_results::<R>(path)?;
            if !results.is_complete() {
                context.ui.warn(format_args!(
                    "{} is of a run that was stopped: the table is of what is there",
                    path.display()
                ));
            }
            Ok((path.clone(), results))
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
