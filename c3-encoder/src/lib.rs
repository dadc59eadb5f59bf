#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bank;
mod banks;
mod encoder;
mod error;
mod memory;
mod segment;
mod stream;
mod window;

pub use bank::Bank;
pub use encoder::C3Encoder;
pub use error::{Error, Result};
pub use segment::{MIN_SEGMENT_TOKENS, Piece, Segmenter, SegmenterOptions};
