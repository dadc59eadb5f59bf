use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::files::{self, OutputArgs};
use super::level::{LevelArgs, possible};
use super::model::{CompressionArgs, ModelArgs};
use crate::commands::compress::Compress;

/// Compress text into a .c3 file of latent tokens
///
/// By default the decoder then reads both, in one pass, and the file says which tokens will differ.
#[derive(Args)]
pub struct CompressArgs {
    /// UTF-8 text to compress, with --exact any file; stdin where absent or `-`
    #[arg(value_name = "IN")]
    input: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    compression: CompressionArgs,
    #[command(flatten)]
    level: LevelArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Segments computed together [default: chosen by the encoder]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Print a summary as JSON; needs -o
    #[arg(long, requires = "output")]
    json: bool,
}

impl CompressArgs {
    pub fn check(self) -> anyhow::Result<Compress> {
        let output = self.output.check();
        super::files::json_beside_data(self.json, &output)?;
        let (request, promise) = (self.compression.check(self.batch), self.level.check());
        possible(&request, &promise)?;
        Ok(Compress {
            input: files::input(self.input),
            output,
            compute: self.model.check(),
            request,
            promise,
            json: self.json,
        })
    }
}
