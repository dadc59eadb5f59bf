#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod attention;
mod error;
pub mod reference;

pub use attention::{Attention, attention};
pub use error::{Error, Result};
