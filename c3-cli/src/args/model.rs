//! Which model, where and how it computes.

use std::num::NonZeroUsize;

use c3_core::{Compression, Dtype, EncodeRequest};
use c3_nn::{Activations, BlockType, LoadOptions, WeightDtype};
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
    /// Where to compute: `cpu`, or `cuda` and `cuda:N` in a build with the feature `cuda`
    #[arg(help_heading = MODEL)]
    #[arg(long, default_value = "cpu", value_parser = parse::device)]
    device: Device,
    /// How weights are kept in memory; `auto` keeps bf16, and what a GGUF file has quantised, and
    /// widens anything else [default: auto]
    #[arg(help_heading = MODEL)]
    #[arg(long, value_enum)]
    dtype: Option<WeightArg>,
    /// What bf16 weights are multiplied with: f32, or rounded to bf16, for which many processors
    /// have faster instructions. All other arithmetic is f32
    #[arg(help_heading = MODEL)]
    #[arg(long, value_enum, default_value = "bf16")]
    activations: ActivationArg,
    /// Round weights to fewer bits when the model is loaded; they then multiply 8-bit values
    #[arg(help_heading = MODEL)]
    #[arg(long, value_name = "TYPE", conflicts_with = "dtype", value_parser = parse::block_type())]
    quantize: Option<BlockType>,
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
enum ActivationArg {
    F32,
    Bf16,
}

#[derive(Clone, Copy, ValueEnum)]
enum WeightArg {
    Auto,
    F32,
    F16,
    Bf16,
    /// As the checkpoint stores them
    Stored,
}

impl ModelArgs {
    pub fn check(self) -> Compute {
        let dtype = match (self.quantize, self.dtype) {
            (Some(kind), _) => WeightDtype::Quantized(kind),
            (None, None | Some(WeightArg::Auto)) => WeightDtype::Auto,
            (None, Some(WeightArg::F32)) => WeightDtype::F32,
            (None, Some(WeightArg::F16)) => WeightDtype::F16,
            (None, Some(WeightArg::Bf16)) => WeightDtype::Bf16,
            (None, Some(WeightArg::Stored)) => WeightDtype::Stored,
        };
        let activations = match self.activations {
            ActivationArg::F32 => Activations::F32,
            ActivationArg::Bf16 => Activations::Bf16,
        };
        Compute {
            model: self.model,
            options: LoadOptions {
                device: self.device,
                dtype,
                activations,
                ..LoadOptions::default()
            },
            dtype_chosen: self.dtype.is_some() || self.quantize.is_some(),
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
