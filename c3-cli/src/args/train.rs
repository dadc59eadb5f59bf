//! `c3 train`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::commands::train::Train;

/// Train a model as a TOML file says, or go on with a run that was stopped
///
/// The folder gets `config.toml`, `log.jsonl`, the newest checkpoint and, when all steps are done, the
/// model in `model/`, ready for --model. Ctrl-C saves a checkpoint and stops; the same command goes on.
#[derive(Args)]
pub struct TrainArgs {
    /// What to train, on what, and how
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Folder of the run
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Stop after so many minutes, with a checkpoint
    #[arg(long, value_name = "N")]
    minutes: Option<NonZeroUsize>,
    /// Threads to compute with [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print each step and evaluation as a line of JSON
    #[arg(long)]
    json: bool,
}

impl TrainArgs {
    pub fn check(self) -> Train {
        let Self { config, out, minutes, threads, json } = self;
        Train { config, out, minutes, threads, json }
    }
}
