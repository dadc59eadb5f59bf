//! Each family of instructions against plain Rust, and each check against a kernel that breaks it.

mod convert;
mod faults;
mod float;
mod integer;
mod matrix;
mod memory;
mod parse;
mod support;
mod triton;
mod warp;
