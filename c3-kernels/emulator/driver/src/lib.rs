//! Stands in for the CUDA driver and the libraries beside it (cuBLAS, cuRAND, NVRTC), so that a
//! program made for CUDA runs on the emulator: what cudarc needs for candle's CUDA device.
//!
//! Everything happens at once and in the order of the calls, which is one of the orders that streams
//! allow. `cuGetErrorString` gives what the emulator found wrong in the thread's last call. Functions
//! that aren't emulated say so (`CUDA_ERROR_NOT_SUPPORTED`).

#![deny(missing_docs)]
// The names are NVIDIA's.
#![allow(non_snake_case)]

mod absent;
mod blas;
mod device;
mod error;
mod memory;
mod module;
mod product;
mod random;
mod state;
mod stream;
