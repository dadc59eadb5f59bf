#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bootstrap;
pub mod compressor;
pub mod corpus;
pub mod cost;
mod difference;
mod error;
#[cfg(test)]
mod fixture;
pub mod metrics;
mod model;
pub mod report;
pub mod results;
mod run;
mod summary;
pub mod tables;

pub use bootstrap::{Interval, bootstrap};
pub use difference::{counterparts, difference, paired_difference};
pub use error::{Error, Result};
pub use metrics::{Metric, Scorer, Scores};
pub use model::{Batches, Item, MARKERS, Model, ModelIdentity, Ratio};
pub use run::Evaluation;
pub use summary::{Group, Row, Summary, Window, groups};
