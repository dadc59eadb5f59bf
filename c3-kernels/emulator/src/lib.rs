//! Runs PTX on the CPU to test CUDA kernels without a GPU, and stops at the first thing that a kernel
//! mustn't do.
//!
//! An emulator for tests: it tells whether a kernel computes the right thing by legal means, not how
//! fast it is. The crate's README lists the checks.

#![deny(missing_docs)]

mod decode;
mod error;
mod exec;
mod float;
mod memory;
mod module;
mod op;
mod options;
mod parse;
mod stats;
mod types;

pub use error::{Error, Fault, FaultKind, RaceKind, Result, Space};
pub use memory::{DevicePtr, Memory, Value};
pub use module::{Kernel, Module};
pub use options::{Arg, Launch, MmaRounding, Options};
pub use stats::{Stats, Traffic};
