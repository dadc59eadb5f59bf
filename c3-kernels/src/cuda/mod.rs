//! The operations on NVIDIA GPUs of compute capability 8.0 and above.
//!
//! Kernels are written in CUDA C++ (`cuda/` beside this crate's sources) and embedded as PTX, which
//! the driver compiles for its device. What is launched, with what, is plain data: a [`Launch`]
//! is the same for the driver and for an emulator, so that tests need no GPU.

mod attention;
mod elementwise;
mod launch;
mod limits;

pub use attention::{AttentionPlan, AttentionViews, HEAD_DIMS, combine};
pub use elementwise::{arg_max, rope, swiglu, value_and_place};
pub use launch::{Argument, Buffer, Launch, Module};
