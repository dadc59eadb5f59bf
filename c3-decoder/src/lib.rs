#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod decoder;
mod error;
mod generate;
mod margin;
mod memory;
mod ngram;
mod ordered;
mod promise;
mod sampler;
mod stepwise;
mod verify;

pub use decoder::C3Decoder;
pub use error::{Error, Result};
pub use memory::Positions;
pub use verify::Verification;
