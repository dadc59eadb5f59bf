use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::files::{self, OutputArgs};
use super::model::{CompressionArgs, ModelArgs};
use crate::commands::compress::Compress;

/// Compress text into a .c3 file of latent tokens
#[derive(Args)]
pub struct CompressArgs {
    /// UTF-8 text to compress; stdin where absent or `-`
    #[arg(value_name = "IN")]
    input: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    compression: CompressionArgs,
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
        Ok(Compress {
            input: files::input(self.input),
            output,
            compute: self.model.check(),
            request: self.compression.check(self.batch),
            json: self.json,
        })
    }
}
