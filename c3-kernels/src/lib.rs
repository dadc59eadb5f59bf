#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod arg_max;
pub mod attention;
mod check;
mod cpu;
pub mod cuda;
mod error;
mod level;
pub mod linear;
pub mod packed;
pub mod quantized;
pub mod reference;
mod rope;
mod shared;
mod simd;
mod swiglu;

pub use arg_max::{arg_max, arg_max_with};
pub use attention::{Attention, attention, attention_with};
pub use error::{Error, Result};
pub use level::Level;
pub use linear::{linear, linear_with};
pub use packed::{Activations, PackedMatrix, Unit};
pub use quantized::{BlockType, Blocks, quantized_linear, quantized_linear_with};
pub use rope::rope;
pub use swiglu::{swiglu, swiglu_with};
