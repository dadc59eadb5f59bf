//! Which model, where and how it computes.

use std::num::NonZeroUsize;

use c3_core::{Compression, Dtype, EncodeRequest};
use c3_nn::{LoadOptions, WeightDtype};
use candle_core::Device;
use clap::{Args, ValueEnum};

use crate::args::parse;
use crate::compute::Compute;
use crate::model::ModelName;

const MODEL: &str = "Model";

/// Which model, where and how it computes.
#[derive(Args)]
pub struct ModelArgs {
    /// Model: `builtin`, a folder, or a hub repository that `c3 pull` has fetched
    #[arg(help_heading = MODEL)]
    #[arg(short, long, value_name = "builtin|DIR|REPO[@REV]", default_value = ModelName::DEFAULT)]
    model: ModelName,
    /// Where to compute; this build knows `cpu`
    #[arg(help_heading = MODEL)]
    #[arg(long, default_value = "cpu", value_parser = parse::device)]
    device: Device,
    /// How weights are kept in memory; arithmetic on the CPU is f32 always [default: f32]
    #[arg(help_heading = MODEL)]
    #[arg(long, value_enum)]
    dtype: Option<WeightArg>,
    /// Threads to compute with [default: one for each core]
    #[arg(help_heading = MODEL)]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Memory to stay within, such as 8G or 512M: chooses batches and, without --dtype, how weights
    /// are kept; refuses what doesn't fit before anything is loaded
    #[arg(help_heading = MODEL)]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    max_memory: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum WeightArg {
    F32,
    F16,
    Bf16,
    /// As the checkpoint stores them
    Stored,
}

impl ModelArgs {
    pub fn check(self) -> Compute {
        let dtype = match self.dtype.unwrap_or(WeightArg::F32) {
            WeightArg::F32 => WeightDtype::F32,
            WeightArg::F16 => WeightDtype::F16,
            WeightArg::Bf16 => WeightDtype::Bf16,
            WeightArg::Stored => WeightDtype::Stored,
        };
        let options = LoadOptions { device: self.device, dtype };
        Compute {
            model: self.model,
            options,
            dtype_chosen: self.dtype.is_some(),
            threads: self.threads,
            max_memory: self.max_memory,
        }
    }
}

/// How many latent tokens.
#[derive(Args)]
pub struct RatioArgs {
    /// Text tokens for each latent token [default: the model's]
    #[arg(short, long, value_name = "R", conflicts_with = "latents")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ratio: Option<u32>,
    /// Latent tokens of a full segment [default: the model's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    latents: Option<u32>,
}

impl RatioArgs {
    pub fn check(&self) -> Compression {
        match (self.ratio, self.latents) {
            (Some(ratio), _) => Compression::Ratio(ratio),
            (None, Some(latents)) => Compression::Latents(latents),
            (None, None) => Compression::Default,
        }
    }
}

/// How far to compress.
#[derive(Args)]
pub struct CompressionArgs {
    #[command(flatten)]
    ratio: RatioArgs,
    /// How latent tokens are stored
    #[arg(long, value_name = "DTYPE", value_enum, default_value = "f16")]
    latent_dtype: LatentArg,
    /// Replace what is not UTF-8 by U+FFFD
    #[arg(long)]
    lossy: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LatentArg {
    F32,
    F16,
    Bf16,
}

impl CompressionArgs {
    pub fn check(self, batch: Option<NonZeroUsize>) -> EncodeRequest {
        let compression = self.ratio.check();
        let dtype = match self.latent_dtype {
            LatentArg::F32 => Dtype::F32,
            LatentArg::F16 => Dtype::F16,
            LatentArg::Bf16 => Dtype::Bf16,
        };
        EncodeRequest { compression, dtype, batch: batch.map(Into::into), lossy: self.lossy }
    }
}
