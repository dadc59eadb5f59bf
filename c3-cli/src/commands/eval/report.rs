//! One page of result files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use c3_core::AtomicFile;
use c3_eval::report::ReportBuilder;

use super::Context;
use crate::output::Output;
use crate::report::Outcome;

/// Result files, and where the page goes.
pub struct Report {
    pub results: Vec<PathBuf>,
    pub output: Output,
    /// Where each figure goes as a file of its own.
    pub figures: Option<PathBuf>,
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
        if let Some(folder) = &self.figures {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("can't create {}", folder.display()))?;
            for (name, svg) in builder.figures()? {
                let path = folder.join(format!("{name}.svg"));
                let mut file = AtomicFile::create(&path, true)?;
                file.write_all(svg.as_bytes())
                    .with_context(|| format!("can't write {}", path.display()))?;
                file.commit()?;
            }
        }
        Ok(Outcome::Done)
    }
}
