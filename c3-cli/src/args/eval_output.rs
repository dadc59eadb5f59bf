//! What becomes of result files.

use std::path::PathBuf;

use clap::Args;

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
    of: TableOf,
    /// Document that gets the table between its lines `<!-- NAME -->` and `<!-- /NAME -->`, in place
    /// of what stands there [default: the table is printed]
    #[arg(long, value_name = "FILE", requires = "mark")]
    into: Option<PathBuf>,
    /// NAME of those lines
    #[arg(long, value_name = "NAME", requires = "into")]
    mark: Option<String>,
}

impl ReportArgs {
    pub fn check(self) -> Report {
        Report { results: self.results, output: self.output.check(), figures: self.figures }
    }
}

impl TableArgs {
    pub fn check(self) -> Table {
        Table { results: self.results, of: self.of, into: self.into.zip(self.mark) }
    }
}
