//! Checkpoints with random weights, in the authors' layout and of any of its sizes.
//!
//! Speed doesn't depend on what the weights say, so these stand in for the released ones wherever
//! only time and memory are measured. Every value follows from the seed and the tensor's name: the
//! same weights can be written as safetensors and as GGUF, one tensor in memory at a time.

mod checkpoint;
mod configs;
mod gguf;
mod noise;
mod shape;
mod tensors;

pub use checkpoint::RandomCheckpoint;
pub use gguf::GgufType;
pub use shape::{Shape, Stage};
