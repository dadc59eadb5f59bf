use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use c3_core::{DecodeRequest, Sampling};
use clap::Args;

use super::files::{self, OutputArgs};
use super::model::ModelArgs;
use super::parse;
use crate::commands::decompress::Decompress;

/// Turn a .c3 file back into text
#[derive(Args)]
pub struct DecompressArgs {
    /// .c3 file; stdin where absent or `-`
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    generation: GenerationArgs,
    /// Ask this instead of the model's own question
    #[arg(long, value_name = "TEXT")]
    question: Option<String>,
    /// Decode one segment I, or segments A..B, alone
    #[arg(long, value_name = "I|A..B", value_parser = parse::segments)]
    segment: Option<Range<usize>>,
    /// Write these bytes of the source, decoding only the segments that they are in
    #[arg(long, value_name = "A..B", value_parser = parse::bytes)]
    #[arg(conflicts_with_all = ["segment", "question"])]
    bytes: Option<Range<u64>>,
    /// Decode the latents of another model all the same
    #[arg(long)]
    any_model: bool,
    /// Exit with 1 where a segment did not come back exactly
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Print a summary as JSON; needs -o
    #[arg(long, requires = "output")]
    json: bool,
}

impl DecompressArgs {
    pub fn check(self) -> anyhow::Result<Decompress> {
        let output = self.output.check();
        files::json_beside_data(self.json, &output)?;
        let request = DecodeRequest {
            question: self.question,
            segments: self.segment,
            any_fingerprint: self.any_model,
            ..self.generation.check()?
        };
        Ok(Decompress {
            input: files::input(self.input),
            output,
            compute: self.model.check(),
            request,
            bytes: self.bytes,
            strict: self.strict,
            json: self.json,
        })
    }
}

/// How text is generated.
#[derive(Args)]
pub struct GenerationArgs {
    /// Tokens a segment may yield [default: from the segment's length]
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<NonZeroUsize>,
    /// Let no run of N tokens occur twice; the authors' code uses 20 [default: off]
    #[arg(long, value_name = "N")]
    no_repeat_ngram: Option<NonZeroUsize>,
    /// Sample instead of taking the likeliest token; 0 is greedy
    #[arg(long, value_name = "T", value_parser = parse::temperature)]
    temperature: Option<f32>,
    /// Sample from the likeliest tokens that hold this share of the probability
    #[arg(long, value_name = "P", value_parser = parse::top_p)]
    top_p: Option<f32>,
    /// Seed of the sampling
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Segments computed together [default: chosen by the model]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
}

impl GenerationArgs {
    pub fn batch(&self) -> Option<NonZeroUsize> {
        self.batch
    }

    pub fn check(self) -> anyhow::Result<DecodeRequest> {
        let greedy = self.temperature.map_or(self.top_p.is_none(), |t| t == 0.0);
        if greedy && (self.seed.is_some() || self.top_p.is_some()) {
            anyhow::bail!(
                "--seed and --top-p say how to sample: they need a --temperature above 0"
            );
        }
        let sampling = if greedy {
            Sampling::Greedy
        } else {
            Sampling::TopP {
                temperature: self.temperature.unwrap_or(1.0),
                top_p: self.top_p.unwrap_or(1.0),
                seed: self.seed.unwrap_or(0),
            }
        };
        Ok(DecodeRequest {
            max_new_tokens: self.max_new_tokens.map(Into::into),
            no_repeat_ngram: self.no_repeat_ngram.map(Into::into),
            sampling,
            batch: self.batch.map(Into::into),
            ..DecodeRequest::default()
        })
    }
}
