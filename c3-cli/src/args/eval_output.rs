//! What becomes of result files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::files::OutputArgs;
use crate::commands::eval::{Report, Table, TableOf};

#[derive(Args)]
pub struct ReportArgs {
    /// Result files of `c3 eval`
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    /// Write each figure as an SVG file of its own into this folder too, over those of that name
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

#[derive(Args)]
pub struct TableArgs {
    /// Result files of `c3 eval`
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,
    /// Which table
    #[arg(long, value_enum, default_value = "similarity")]
    of: TableOfArg,
    /// Document that gets the table between its lines `<!-- NAME -->` and `<!-- /NAME -->`, in place
    /// of what stands there [default: the table is printed]
    #[arg(long, value_name = "FILE", requires = "mark")]
    into: Option<PathBuf>,
    /// NAME of those lines
    #[arg(long, value_name = "NAME", requires = "into")]
    mark: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TableOfArg {
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

impl ReportArgs {
    pub fn check(self) -> Report {
        Report { results: self.results, output: self.output.check(), figures: self.figures }
    }
}

impl TableArgs {
    pub fn check(self) -> Table {
        let of = match self.of {
            TableOfArg::Similarity => TableOf::Similarity,
            TableOfArg::Card => TableOf::Card,
            TableOfArg::Metrics => TableOf::Metrics,
            TableOfArg::Position => TableOf::Position,
            TableOfArg::Decline => TableOf::Decline,
            TableOfArg::Gap => TableOf::Gap,
            TableOfArg::Cost => TableOf::Cost,
        };
        Table { results: self.results, of, into: self.into.zip(self.mark) }
    }
}
