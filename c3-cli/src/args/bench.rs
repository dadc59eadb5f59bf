//! `c3 bench`.

use std::num::NonZeroUsize;

use c3_eval::cost::Stage;
use clap::{Args, ValueEnum};

use super::eval::ratios;
use super::model::ModelArgs;
use crate::commands::bench::{Bench, Format};

/// Time each stage end to end, in the manner of llama-bench
///
/// Options with lists are combined: every ratio with every length, batch and number of threads. Each
/// measurement is repeated after one that doesn't count; mean and standard deviation are printed.
/// Segments are random tokens: what a text says doesn't change the speed. Prefill is the decoder
/// reading latents up to its first token, decode the tokens after it.
#[derive(Args)]
pub struct BenchArgs {
    /// Stages, separated by commas
    #[arg(short, long, value_name = "STAGE", value_enum, value_delimiter = ',')]
    #[arg(default_value = "encode,prefill,decode,round_trip")]
    stages: Vec<StageArg>,
    /// Text tokens for each latent token, separated by commas [default: all that the model has]
    #[arg(short, long, value_name = "R", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ratio: Vec<u32>,
    /// Tokens of a segment, separated by commas [default: the model's window]
    #[arg(short = 't', long, value_name = "N", value_delimiter = ',')]
    tokens: Vec<NonZeroUsize>,
    /// Segments computed together, separated by commas
    #[arg(short, long, value_name = "N", value_delimiter = ',', default_value = "1")]
    batch: Vec<NonZeroUsize>,
    /// Numbers of threads to compare, separated by commas [default: that of --threads]
    #[arg(long, value_name = "N", value_delimiter = ',', conflicts_with = "threads")]
    thread_counts: Vec<NonZeroUsize>,
    /// Measurements of each
    #[arg(long, value_name = "N", default_value = "5")]
    repetitions: NonZeroUsize,
    /// Count the first measurement too
    #[arg(long)]
    no_warmup: bool,
    /// How the results are printed
    #[arg(short, long, value_enum, default_value = "md")]
    output: FormatArg,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StageArg {
    /// Text to latents
    Encode,
    /// The decoder reads latents and gives its first token
    Prefill,
    /// The same decoder reads the text itself
    PrefillText,
    /// Encoding, then the decoder's first token
    FirstToken,
    /// The decoder gives the tokens after its first
    Decode,
    /// The same decoder behind the text itself gives as many
    DecodeText,
    /// One teacher-forced pass over latents and text
    Verify,
    /// Encoding, then decoding
    RoundTrip,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    Md,
    Csv,
    Json,
}

impl BenchArgs {
    pub fn check(self) -> Bench {
        let numbers = |list: Vec<NonZeroUsize>| list.into_iter().map(NonZeroUsize::get).collect();
        let stage = |stage| match stage {
            StageArg::Encode => Stage::Encode,
            StageArg::Prefill => Stage::Prefill,
            StageArg::PrefillText => Stage::PrefillText,
            StageArg::FirstToken => Stage::FirstToken,
            StageArg::Decode => Stage::Decode,
            StageArg::DecodeText => Stage::DecodeText,
            StageArg::Verify => Stage::Verify,
            StageArg::RoundTrip => Stage::RoundTrip,
        };
        Bench {
            stages: self.stages.into_iter().map(stage).collect(),
            ratios: ratios(self.ratio),
            tokens: numbers(self.tokens),
            batches: numbers(self.batch),
            thread_counts: self.thread_counts,
            repetitions: self.repetitions.get(),
            warm_up: !self.no_warmup,
            format: match self.output {
                FormatArg::Md => Format::Markdown,
                FormatArg::Csv => Format::Csv,
                FormatArg::Json => Format::Json,
            },
            compute: self.model.check(),
        }
    }
}
