#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod audit;
mod budget;
mod candidate;
mod compressor;
mod error;
mod request;
mod settle;
mod source;
mod spelling;

pub use audit::{Finding, audit};
pub use compressor::{Compressed, Compressor, Event};
pub use error::{Error, Result};
pub use request::{CompressRequest, Level};
