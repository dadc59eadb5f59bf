//! A linear layer whose products are of bf16, forward and backward.

use candle_core::{DType, Tensor};

use super::arithmetic::Arithmetic;
use super::op::{OP, apply, linear};
use crate::{Activations, check};

/// Rows that pay for packing the weights.
const ROUNDED_ROWS: usize = 64;

/// [`linear`] for weights that are trained: with [`Activations::Bf16`], all three products of the
/// forward and the backward pass of 64 rows or more round their operands to bf16, where the processor multiplies that
/// faster. Weights, sums and gradients stay f32. On CUDA nothing is rounded.
///
/// # Errors
/// As [`linear`]; `w` must be f32.
pub fn trained_linear(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    activations: Activations,
) -> candle_core::Result<Tensor> {
    if !x.device().is_cpu() {
        return linear(x, w, bias);
    }
    let arithmetic = Arithmetic::detect(activations);
    let rows = x.elem_count() / x.dims().last().copied().unwrap_or(0).max(1);
    // Few rows, such as those of decoding, don't pay for the packing of the weights.
    if matches!(arithmetic, Arithmetic::Whole(_)) || rows < ROUNDED_ROWS {
        return linear(x, w, bias);
    }
    check::dtype(OP, "w", w, "F32", &[DType::F32])?;
    apply(arithmetic, x, w, bias)
}
