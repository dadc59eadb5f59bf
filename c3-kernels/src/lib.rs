#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod attention;
mod cpu;
mod error;
mod level;
pub mod linear;
pub mod quantized;
pub mod reference;
mod shared;
mod simd;

pub use attention::{Attention, attention, attention_with};
pub use error::{Error, Result};
pub use level::Level;
pub use linear::{linear, linear_with};
pub use quantized::{BlockType, Blocks, quantized_linear, quantized_linear_with};
