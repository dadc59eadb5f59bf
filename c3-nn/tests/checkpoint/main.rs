//! Checkpoints in every layout, and everything that can be wrong with one.

mod as_gguf;
mod damaged;
mod gguf;
mod gguf_damaged;
mod sharded;
mod spoil;
