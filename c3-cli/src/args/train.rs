//! `c3 train`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::commands::train::{Job, Train};

/// Train a model as a TOML file says, or go on with a run that was stopped
///
/// The folder gets `config.toml`, `log.jsonl`, the newest checkpoint and, when all steps are done, the
/// model in `model/`, ready for --model. Ctrl-C saves a checkpoint and stops; the same command goes on.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    /// What to train, on what, and how
    #[arg(value_name = "CONFIG.toml", required = true)]
    config: Option<PathBuf>,
    /// Folder of the run
    #[arg(short, long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
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

#[derive(Subcommand)]
enum TrainCommand {
    /// Learn a vocabulary: byte-level BPE, cut as Qwen2 cuts text, with the special tokens of C3
    Tokenizer {
        /// Text files, or folders of .txt and .jsonl
        #[arg(value_name = "TEXT", required = true)]
        texts: Vec<PathBuf>,
        /// Tokens, special ones included
        #[arg(long, value_name = "N", default_value = "8192")]
        vocabulary: usize,
        /// Where to write it
        #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
        out: PathBuf,
    },
}

impl TrainArgs {
    pub fn check(self) -> Job {
        let Self { command, config, out, minutes, threads, json } = self;
        match command {
            Some(TrainCommand::Tokenizer { texts, vocabulary, out }) => {
                Job::Tokenizer { texts, vocabulary, out }
            }
            None => Job::Model(Train {
                // clap asks for both where there is no subcommand.
                config: config.unwrap_or_default(),
                out: out.unwrap_or_default(),
                minutes,
                threads,
                json,
            }),
        }
    }
}
