//! One page of result files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use c3_eval::report::ReportBuilder;

use super::Context;
use crate::output::Output;
use crate::report::Outcome;

/// Result files, and where the page goes.
pub struct Report {
    pub results: Vec<PathBuf>,
    pub output: Output,
}

impl Report {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let mut builder = ReportBuilder::new();
        for path in &self.results {
            let complete = builder.add(path)?;
            if !complete {
                context.ui.warn(format_args!(
                    "{} is of a run that was stopped: what is there is reported",
                    path.display()
                ));
            }
        }
        let page = builder.page()?;
        let mut out = self.output.open_text()?;
        out.write_all(page.as_bytes()).with_context(|| format!("can't write {}", self.output))?;
        out.commit()?;
        Ok(Outcome::Done)
    }
}
