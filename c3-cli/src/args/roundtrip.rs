use std::path::PathBuf;

use clap::Args;

use super::decompress::GenerationArgs;
use super::files;
use super::level::{PromiseArgs, possible};
use super::model::{CompressionArgs, ModelArgs};
use crate::commands::roundtrip::Roundtrip;

/// Compress, decompress and compare
///
/// Reports how much of the text came back, both ratios and the times; shows the first
/// differences in color.
#[derive(Args)]
pub struct RoundtripArgs {
    /// UTF-8 text; stdin where absent or `-`
    #[arg(value_name = "IN")]
    input: Option<PathBuf>,
    #[command(flatten)]
    compression: CompressionArgs,
    #[command(flatten)]
    promise: PromiseArgs,
    #[command(flatten)]
    generation: GenerationArgs,
    /// Segments that differ to show in full
    #[arg(long, value_name = "N", default_value_t = 3)]
    diffs: usize,
    /// Exit with 1 where the text did not come back exactly
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    model: ModelArgs,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl RoundtripArgs {
    pub fn check(self) -> anyhow::Result<Roundtrip> {
        let encode = self.compression.check(self.generation.batch());
        let promise = self.promise.check();
        possible(&encode, &promise)?;
        Ok(Roundtrip {
            input: files::input(self.input),
            compute: self.model.check(),
            encode,
            promise,
            decode: self.generation.check()?,
            diffs: self.diffs,
            strict: self.strict,
            json: self.json,
        })
    }
}
