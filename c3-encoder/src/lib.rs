#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bank;
mod encoder;
mod error;
mod segment;

pub use bank::Bank;
pub use encoder::C3Encoder;
pub use error::{Error, Result};
pub use segment::{MIN_SEGMENT_TOKENS, Piece, Segmenter, SegmenterOptions};
