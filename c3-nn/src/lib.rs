//! c3-nn
mod error;
pub use error::{Error, Result};
