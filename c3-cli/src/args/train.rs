//! `c3 train`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::Device;
use clap::{Args, Subcommand};

use super::{files, parse};
use crate::commands::train::{Job, Run, Train};

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
    #[arg(value_name = "CONFIG.toml", required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The same, named
    #[arg(long, value_name = "CONFIG.toml", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Folder of the run [default: the configuration's name without .toml, here]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Stop after so many minutes, with a checkpoint
    #[arg(long, value_name = "N", value_parser = minutes)]
    minutes: Option<Duration>,
    /// Where to compute: `cpu`, or `cuda` and `cuda:N` in a build with the feature `cuda`. The optimiser
    /// stays on the CPU
    #[arg(long, default_value = "cpu", value_parser = parse::device)]
    device: Device,
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
        /// Where to write it; `-` is stdout
        #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
        out: PathBuf,
        /// Overwrite a file that exists
        #[arg(short, long)]
        force: bool,
    },
}

impl TrainArgs {
    pub fn check(self) -> Job {
        let Self { command, file, config, out, minutes, device, threads, json } = self;
        if let Some(TrainCommand::Tokenizer { texts, vocabulary, out, force }) = command {
            return Job::Tokenizer { texts, vocabulary, output: files::output(out, force) };
        }
        // clap asks for one of the two where there is no subcommand.
        let config = file.or(config).unwrap_or_default();
        let run = out.map_or_else(|| Run::Default(named_like(&config)), Run::Named);
        Job::Model(Train { config, run, minutes, device, threads, json })
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number above 0".to_owned();
    let minutes: f64 = text.parse().map_err(|_| expected())?;
    let time = Duration::try_from_secs_f64(60.0 * minutes).map_err(|_| expected())?;
    if time.is_zero() { Err(expected()) } else { Ok(time) }
}

/// The folder of a run that isn't named: the configuration's name, in the working directory.
fn named_like(config: &Path) -> PathBuf {
    config.file_stem().unwrap_or_default().into()
}
