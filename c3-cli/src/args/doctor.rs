use std::num::NonZeroUsize;

use c3_core::{DecodeRequest, EncodeRequest};
use clap::Args;

use super::model::{ModelArgs, RatioArgs};
use super::parse;
use crate::commands::doctor::Doctor;

/// Report what this machine and this build offer, and what memory a model takes
///
/// Predicts the peak memory of compress, decompress and roundtrip with the given model and options.
/// Nothing is loaded for it.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    ratio: RatioArgs,
    /// Segments computed together [default: chosen by the model]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Predict for `compress --fast`, which doesn't load the decoder
    #[arg(long)]
    fast: bool,
    /// Length of the text: a short one fills no batch, and a round trip holds it with its latents
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = parse::size)]
    text: u64,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    pub fn check(self) -> Doctor {
        let batch = self.batch.map(Into::into);
        Doctor {
            compute: self.model.check(),
            encode: EncodeRequest {
                compression: self.ratio.check(),
                batch,
                ..EncodeRequest::default()
            },
            decode: DecodeRequest { batch, ..DecodeRequest::default() },
            fast: self.fast,
            text: self.text,
            json: self.json,
        }
    }
}
