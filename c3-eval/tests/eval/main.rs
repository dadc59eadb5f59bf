//! Metrics against their references, corpora, runs with the built-in model, the report.

mod chromium;
mod corpora;
mod metrics;
mod report;
mod runs;
mod support;
