//! A linear layer whose products are of bf16, forward and backward.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Shape, Tensor};

use super::arithmetic::Arithmetic;
use super::gradient::gradients;
use super::op::{OP, linear};
use crate::error::result_size;
use crate::{Activations, Error, check};

/// Rows that pay for packing the weights.
const ROUNDED_ROWS: usize = 64;

/// [`linear`] for weights that are trained: with [`Activations::Bf16`], all three products of the
/// forward and the backward pass of 64 rows or more round their operands to bf16, where the processor multiplies that
/// faster. Weights, sums and gradients stay f32.
///
/// # Errors
/// As [`linear`]; `w` must be f32.
pub fn trained_linear(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    activations: Activations,
) -> candle_core::Result<Tensor> {
    let arithmetic = Arithmetic::detect(activations);
    let rows = x.elem_count() / x.dims().last().copied().unwrap_or(0).max(1);
    // Few rows, such as those of decoding, don't pay for the packing of the weights.
    if matches!(arithmetic, Arithmetic::Whole(_)) || rows < ROUNDED_ROWS {
        return linear(x, w, bias);
    }
    for (name, tensor) in [("x", Some(x)), ("w", Some(w)), ("bias", bias)] {
        if let Some(tensor) = tensor {
            check::dtype(OP, name, tensor, "F32", &[DType::F32])?;
        }
    }
    match bias {
        None => x.apply_op2(w, Op(arithmetic)),
        Some(bias) => x.apply_op3(w, bias, Op(arithmetic)),
    }
}

struct Op(Arithmetic);

impl Op {
    fn compute(
        &self,
        (x, x_layout): (&CpuStorage, &Layout),
        (w, w_layout): (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let &[n, k] = w_layout.dims() else {
            let found = w_layout.dims().to_vec();
            return Err(Error::Rank { op: OP, name: "w", expected: "[n, k]", found }.into());
        };
        let outer = check::outer(OP, x_layout, k)?;
        let shape = [outer, &[n]].concat();
        result_size(OP, &shape)?;
        let x = check::contiguous(OP, "x", x.as_slice()?, x_layout)?;
        let w = check::contiguous(OP, "w", w.as_slice()?, w_layout)?;
        let bias = match bias {
            Some((bias, layout)) => {
                check::bias(OP, layout, n)?;
                Some(check::contiguous(OP, "bias", bias.as_slice()?, layout)?)
            }
            None => None,
        };
        // SAFETY: the arithmetic was detected, and the slices have the sizes of their shapes.
        let out = unsafe { self.0.product(x, w, bias, [outer.iter().product(), n, k])? };
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, x_layout), (w, w_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (x, w, _) = gradients(self.0, x, w, grad, false)?;
        Ok((Some(x), Some(w)))
    }
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, x_layout), (w, w_layout), Some((bias, bias_layout)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (x, w, bias) = gradients(self.0, x, w, grad, true)?;
        Ok((Some(x), Some(w), bias))
    }
}
