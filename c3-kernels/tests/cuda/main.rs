//! The CUDA kernels, run from their PTX by an emulator that checks every access, against 64-bit
//! arithmetic.

mod attention;
mod case;
mod combine;
mod device;
mod elementwise;
mod layout;
mod mutants;
mod plan;
