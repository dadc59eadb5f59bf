//! `x wᵀ + bias` with bf16 weights packed in advance, for models too large to widen.
//!
//! Weights are kept in *panels* of sixteen columns: `[n / 16][k / 2][16 columns][2 of k]`. That is
//! what a tile of AMX wants, and what the instructions that multiply pairs of bf16 want; where there
//! are only f32 lanes, the two elements of a pair are widened with a shift and a mask. So one copy of
//! the weights serves every [`Unit`], and a step of decoding reads it from one end to the other.
//!
//! The activations are f32. [`Activations::Bf16`] rounds them to bf16 first, which the matrix
//! instructions need; the products are then exact and summed in f32 on every unit, so that results
//! differ by the order of the sums only. Sums are cut every 1,024 elements of k, which keeps
//! them as exact as many short sums are.
//!
//! The work is cut along n, by the shape alone: results don't depend on the number of threads.
//!
//! What lost, in CPU time of one core of a Zen 4: a task of three panels instead of twelve, so that
//! x was read from the L3 cache for each three. 1,312 rows, 8960 × 1536: 148 GFLOP/s, with twelve 181;
//! at k = 1536 it makes no difference to speak of.

mod amx;
mod block;
mod buffer;
mod dot;
mod once;
mod op;
mod pack;
mod product;
mod round;
#[cfg(test)]
mod tests;
mod unit;

pub(crate) use once::{add_rounded_product, rounded_product};
pub use pack::PackedMatrix;
pub use unit::{Activations, Unit};

/// Columns of a panel.
pub(crate) const PANEL: usize = 16;

/// k is padded with zeros to a multiple of this: the depth of a tile.
pub(crate) const DEPTH: usize = 32;

/// Elements of k that are summed in one go; a group of panels of that depth stays in the L2 cache.
pub(crate) const CHUNK: usize = 1024;
