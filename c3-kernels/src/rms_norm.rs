//! The root-mean-square norm, with its gradient.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::error::result_size;
use crate::values::Values;
use crate::{Error, check};

const OP: &str = "rms_norm";

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// Rows whose share of the weight's gradient is summed apart; the shape alone decides.
const PART_ROWS: usize = 512;

/// `x / √(mean(x²) + eps) · weight` for each row (Zhang and Sennrich 2019, arXiv 1910.07467).
///
/// `x` is f32 `[.., n]`, `weight` f32 `[n]`, both contiguous; the result has x's shape.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, or the tensors are not on the CPU.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> candle_core::Result<Tensor> {
    check::dtype(OP, "x", x, "F32", &[DType::F32])?;
    check::dtype(OP, "weight", weight, "F32", &[DType::F32])?;
    x.apply_op2(weight, Op { eps })
}

struct Op {
    eps: f32,
}

impl Op {
    /// `1 / √(mean(x²) + eps)`
    fn factor(&self, x: &[f32]) -> f32 {
        let square = sum_of(x.len(), |i| x[i] * x[i]);
        (square / x.len() as f32 + self.eps).sqrt().recip()
    }
}

/// The sum of `f` over `0..n`, in sixteen sums side by side: as exact as pairs of halves, and fast.
fn sum_of(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0f32; 16];
    let whole = n - n % 16;
    for i in (0..whole).step_by(16) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(i + lane);
        }
    }
    let rest: f32 = (whole..n).map(f).sum();
    sums.iter().sum::<f32>() + rest
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let &[n] = weight_layout.dims() else {
            let (expected, found) = ("[n]", weight_layout.dims().to_vec());
            return Err(Error::Rank { op: OP, name: "weight", expected, found }.into());
        };
        check::outer(OP, x_layout, n)?;
        let mut out = vec![0f32; result_size(OP, x_layout.dims())?];
        let x = check::contiguous(OP, "x", x.as_slice::<f32>()?, x_layout)?;
        let weight = check::contiguous(OP, "weight", weight.as_slice::<f32>()?, weight_layout)?;
        let row = |(x, out): (&[f32], &mut [f32])| {
            let factor = self.factor(x);
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * factor * weight;
            }
        };
        match x.len() {
            0 => {}
            len if len >= WORTH_THREADS => {
                x.par_chunks(n).zip(out.par_chunks_mut(n)).for_each(row);
            }
            _ => x.chunks(n).zip(out.chunks_mut(n)).for_each(row),
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    /// With `r = 1 / √(mean(x²) + eps)` and `g = weight ∘ dy`:
    /// `dx = r · (g − x · r² · mean(x ∘ g))`, `dweight = Σ r · x ∘ dy`.
    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (of_x, of_weight) = (Values::of(OP, "x", x)?, Values::of(OP, "weight", weight)?);
        let of_grad = Values::of(OP, "the gradient", &grad)?;
        let n = of_weight.len();
        let mut dx = vec![0f32; of_x.len()];
        let parts = Mutex::new(Vec::new());
        let part = |i: usize, x: &[f32], grad: &[f32], dx: &mut [f32]| {
            let mut d_weight = vec![0f32; n];
            for ((x, grad), dx) in x.chunks(n).zip(grad.chunks(n)).zip(dx.chunks_mut(n)) {
                let r = self.factor(x);
                let mean = sum_of(n, |i| x[i] * of_weight[i] * grad[i]) / n as f32;
                let back = r * r * mean;
                for i in 0..n {
                    dx[i] = r * (of_weight[i] * grad[i] - x[i] * back);
                    d_weight[i] += r * x[i] * grad[i];
                }
            }
            if let Ok(mut parts) = parts.lock() {
                parts.push((i, d_weight));
            }
        };
        if !of_x.is_empty() {
            let size = PART_ROWS * n;
            (of_x.par_chunks(size).zip(of_grad.par_chunks(size)))
                .zip(dx.par_chunks_mut(size))
                .enumerate()
                .for_each(|(i, ((x, grad), dx))| part(i, x, grad, dx));
        }
        // In the parts' order: the sum must not depend on who was first.
        let mut parts = parts.into_inner().unwrap_or_default();
        parts.sort_unstable_by_key(|(i, _)| *i);
        let mut d_weight = vec![0f32; n];
        for (_, part) in &parts {
            d_weight.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?),
            Some(Tensor::from_vec(d_weight, n, &Device::Cpu)?),
        ))
    }
}
