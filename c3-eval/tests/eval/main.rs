//! Metrics against their references, corpora, runs with the built-in model, result files, the report.

mod chromium;
mod corpora;
mod metrics;
mod report;
mod results;
mod runs;
mod support;
