//! The backward pass of a linear layer: `dx = dy · w`, `dw = dyᵀ · x`, `db = Σ dy`.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::arithmetic::Arithmetic;
use super::op::OP;
use crate::check;
use crate::factor::Factor;
use crate::values::Values;

/// Columns that a task sums.
const SUM_COLUMNS: usize = 64;

/// The gradients of x and w, and of the bias if there is one, given the result's.
///
/// `x` is `[.., k]`, `w` `[n, k]`, `grad` `[.., n]`, all f32.
pub(super) fn gradients(
    arithmetic: Arithmetic,
    x: &Tensor,
    w: &Tensor,
    grad: &Tensor,
    with_bias: bool,
) -> candle_core::Result<(Tensor, Tensor, Option<Tensor>)> {
    check::dtype(OP, "w", w, "F32 where it is trained", &[DType::F32])?;
    let (n, k) = w.dims2()?;
    let rows = grad.elem_count() / n.max(1);
    // A matrix of no columns says nothing of its rows.
    let rows = if n == 0 { x.elem_count() / k.max(1) } else { rows };
    let [x, w, grad] = [x, w, grad].map(Tensor::contiguous);
    let (x, w, grad) = (x?, w?, grad?);
    let [of_x, of_w, of_grad] = [("x", &x), ("w", &w), ("the gradient", &grad)]
        .map(|(name, tensor)| Values::of(OP, name, tensor));
    let (of_x, of_w, of_grad) = (of_x?, of_w?, of_grad?);
    let grad = Factor::new(&of_grad, [rows, n]);
    let w = arithmetic.ready(Factor::new(&of_w, [n, k]).turned())?;
    let columns = arithmetic.ready(Factor::new(&of_x, [rows, k]).turned())?;
    // SAFETY: the machine has the arithmetic.
    let (dx, dw) = unsafe {
        (arithmetic.product(grad, &w, None), arithmetic.product(grad.turned(), &columns, None))
    };
    let bias = with_bias.then(|| Tensor::from_vec(column_sums(&of_grad, n), n, &Device::Cpu));
    Ok((
        Tensor::from_vec(dx, x.shape(), &Device::Cpu)?,
        Tensor::from_vec(dw, (n, k), &Device::Cpu)?,
        bias.transpose()?,
    ))
}

/// The sums of the columns of `[rows, n]`, each in the order of its rows.
fn column_sums(x: &[f32], n: usize) -> Vec<f32> {
    let mut sums = vec![0f32; n];
    sums.par_chunks_mut(SUM_COLUMNS).enumerate().for_each(|(i, sums)| {
        for row in x.chunks_exact(n) {
            for (sum, x) in sums.iter_mut().zip(&row[i * SUM_COLUMNS..]) {
                *sum += x;
            }
        }
    });
    sums
}
