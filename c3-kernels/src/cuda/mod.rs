//! The operations on NVIDIA GPUs of compute capability 8.0 and above.
//!
//! Kernels are written in CUDA C++ (`cuda/` beside this crate's sources) and embedded as PTX, which
//! the driver compiles for its device. What is launched, with what, is plain data: a [`Launch`]
//! is the same for the driver and for an emulator, so that tests need no GPU.

mod attention;
#[cfg(not(feature = "cuda"))]
mod disabled;
#[cfg(feature = "cuda")]
mod driver;
mod elementwise;
#[cfg(feature = "cuda")]
mod enabled;
mod launch;
mod limits;
#[cfg(feature = "cuda")]
mod memory;

pub use attention::{AttentionPlan, AttentionViews, HEAD_DIMS, combine};
pub use elementwise::{arg_max, rope, swiglu, value_and_place};
pub use launch::{Argument, Buffer, Launch, Module};

#[cfg(not(feature = "cuda"))]
use disabled as operations;
#[cfg(feature = "cuda")]
use enabled as operations;

pub(crate) use operations::{
    DTYPES, arg_max as arg_max_on_device, attention as attention_on_device, rope as rope_on_device,
    swiglu as swiglu_on_device,
};
