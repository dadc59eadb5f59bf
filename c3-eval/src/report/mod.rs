//! One self-contained page of results: no script, nothing fetched, light and dark.

mod chart;
mod figures;
mod html;
mod published;
mod restored;
mod sections;

use std::path::Path;

use crate::results::{CostRecord, Header, Record, Results, read_header, read_results};
use crate::{Error, Result};
use html::Section;

/// Gathers result files and makes a page of them.
#[derive(Default)]
pub struct ReportBuilder {
    files: Vec<ResultFile>,
}

/// A result file of either sort.
enum ResultFile {
    Texts(Results<Record>),
    Cost(Results<CostRecord>),
}

impl ResultFile {
    fn header(&self) -> &Header {
        match self {
            Self::Texts(results) => &results.header,
            Self::Cost(results) => &results.header,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Texts(results) => results.records.is_empty(),
            Self::Cost(results) => results.records.is_empty(),
        }
    }

    fn section(&self) -> Section<'_> {
        match self {
            Self::Texts(results) => sections::of_texts(self.experiment(), results),
            Self::Cost(results) => sections::of_cost(results),
        }
    }

    fn experiment(&self) -> &str {
        &self.header().experiment
    }
}

/// The experiments in the order that the page has them in.
const ORDER: [&str; 7] = ["sweep", "position", "unguessable", "ood", "baselines", "fox", "cost"];

impl ReportBuilder {
    /// Nothing to report yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a result file; says whether its run was complete.
    ///
    /// # Errors
    /// Where it can't be read or is no result file of this version.
    pub fn add(&mut self, path: &Path) -> Result<bool> {
        let header = read_header(path)?;
        if header.cost.is_some() {
            let results = read_results::<CostRecord>(path)?;
            let complete = results.is_complete();
            self.files.push(ResultFile::Cost(results));
            return Ok(complete);
        }
        let results = read_results::<Record>(path)?.binned();
        let complete = results.is_complete();
        self.files.push(ResultFile::Texts(results));
        Ok(complete)
    }

    /// The page.
    ///
    /// # Errors
    /// Where there is nothing to report, or a figure can't be drawn.
    pub fn page(&self) -> Result<String> {
        let sections = self.sections()?;
        html::page(sections[0].header, &sections)
    }

    /// Every figure as an SVG file of its own, by name, with its legend.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn figures(&self) -> Result<Vec<(String, String)>> {
        let mut files: Vec<(String, String)> = Vec::new();
        for figure in self.sections()?.iter().flat_map(Section::figures) {
            // Of figures that two experiments have, the first is kept.
            if files.iter().all(|(name, _)| *name != figure.name) {
                files.push((figure.name.clone(), figure.chart.standalone(&figure.caption)?));
            }
        }
        Ok(files)
    }

    /// What each file shows, in the order of the page; at least one.
    fn sections(&self) -> Result<Vec<Section<'_>>> {
        let mut files: Vec<&ResultFile> = self.files.iter().collect();
        let place = |file: &ResultFile| ORDER.iter().position(|name| *name == file.experiment());
        files.sort_by_key(|file| place(file).unwrap_or(ORDER.len()));
        if files.is_empty() {
            return Err(Error::NothingToReport("no result file was given".into()));
        }
        if let Some(file) = files.iter().find(|file| file.is_empty()) {
            let experiment = file.experiment();
            return Err(Error::NothingToReport(format!("{experiment} has no records yet")));
        }
        Ok(files.into_iter().map(ResultFile::section).collect())
    }
}
