#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod arg_max;
pub mod attention;
mod check;
mod cpu;
mod cross_entropy;
pub mod cuda;
mod error;
mod factor;
mod level;
pub mod linear;
mod on_device;
pub mod packed;
pub mod quantized;
pub mod reference;
mod rms_norm;
mod rope;
mod shared;
mod simd;
mod swiglu;
mod transpose;
mod values;

pub use arg_max::{Lead, arg_max, arg_max_with, leads};
pub use attention::{Attention, Heads, attention, attention_with, projected_attention};
pub use cross_entropy::cross_entropy;
pub use error::{Error, Result};
pub use level::Level;
pub use linear::{linear, linear_with, trained_linear};
pub use packed::{Activations, PackedMatrix, Unit};
pub use quantized::{BlockType, Blocks, quantized_linear, quantized_linear_with};
pub use rms_norm::rms_norm;
pub use rope::rope;
pub use swiglu::{swiglu, swiglu_with};
