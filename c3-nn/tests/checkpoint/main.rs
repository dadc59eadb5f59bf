//! Checkpoints in every layout, and everything that can be wrong with one.

mod damaged;
mod sharded;
mod spoil;
