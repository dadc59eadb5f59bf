//! The linear layer as an operation on candle's tensors.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, CustomOp3, DType, Layout, MetalStorage, Shape, Tensor,
};

use super::arithmetic::Arithmetic;
use super::gradient::gradients;
use super::product;
use crate::error::result_size;
use crate::factor::Factor;
use crate::{Error, Level, check};

pub(super) const OP: &str = "linear";
const WEIGHTS: &str = "F32, F16 or BF16";

/// `x wᵀ + bias`.
///
/// `x` is f32 `[.., k]`; `w` is `[n, k]` in f32, f16 or bf16, as the checkpoint stores it; `bias` is
/// f32 `[n]`. All are contiguous. The result is f32 `[.., n]`, summed in f32. On CUDA it is candle's
/// product: all have one type, f32, f16 or bf16, and so has the result.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, or the tensors are on another device. The backward
/// pass takes f32 weights alone.
pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> candle_core::Result<Tensor> {
    linear_with(Level::detect(), x, w, bias)
}

/// [`linear`] at a level of one's choice.
///
/// # Errors
/// As [`linear`], and if the machine doesn't have the level.
pub fn linear_with(
    level: Level,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
) -> candle_core::Result<Tensor> {
    if !level.is_available() {
        return Err(Error::Level { level }.into());
    }
    if x.device().is_cuda() {
        return on_device(x, w, bias);
    }
    apply(Arithmetic::Whole(level), x, w, bias)
}

/// The layer on the CPU.
pub(super) fn apply(
    arithmetic: Arithmetic,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
) -> candle_core::Result<Tensor> {
    check::dtype(OP, "x", x, "F32", &[DType::F32])?;
    check::dtype(OP, "w", w, WEIGHTS, &[DType::F32, DType::F16, DType::BF16])?;
    match bias {
        None => x.apply_op2(w, Op { arithmetic }),
        Some(bias) => {
            check::dtype(OP, "bias", bias, "F32", &[DType::F32])?;
            x.apply_op3(w, bias, Op { arithmetic })
        }
    }
}

/// The product by candle's own kernels, in the type that all tensors have.
fn on_device(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> candle_core::Result<Tensor> {
    check::float(OP, "x", x)?;
    check::same_dtype(OP, "w", w, x)?;
    let &[n, k] = w.dims() else {
        let found = w.dims().to_vec();
        return Err(Error::Rank { op: OP, name: "w", expected: "[n, k]", found }.into());
    };
    let outer = check::outer(OP, x.layout(), k)?;
    let shape = [outer, &[n]].concat();
    result_size(OP, &shape)?;
    let out = x.reshape(((), k))?.matmul(&w.t()?)?.reshape(shape)?;
    match bias {
        None => Ok(out),
        Some(bias) => {
            check::same_dtype(OP, "bias", bias, x)?;
            check::bias(OP, bias.layout(), n)?;
            out.broadcast_add(bias)
        }
    }
}

struct Op {
    arithmetic: Arithmetic,
}

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
        if let Some((_, layout)) = bias {
            check::bias(OP, layout, n)?;
        }
        let shape = [outer, &[n]].concat();
        result_size(OP, &shape)?;
        let rows = outer.iter().product();
        let sizes = [rows, n, k];
        let x = check::contiguous(OP, "x", x.as_slice()?, x_layout)?;
        let bias = match bias {
            Some((bias, layout)) => Some(check::contiguous(OP, "bias", bias.as_slice()?, layout)?),
            None => None,
        };
        let level = self.arithmetic.level();
        // SAFETY: the machine has the arithmetic, and the slices have the sizes of their shapes.
        let out = unsafe {
            match w {
                CpuStorage::F32(w) => {
                    let w = check::contiguous(OP, "w", w, w_layout)?;
                    let w = self.arithmetic.ready(Factor::new(w, [n, k]))?;
                    self.arithmetic.product(Factor::new(x, [rows, k]), &w, bias)
                }
                CpuStorage::F16(w) => {
                    product(level, x, check::contiguous(OP, "w", w, w_layout)?, bias, sizes)
                }
                CpuStorage::BF16(w) => {
                    product(level, x, check::contiguous(OP, "w", w, w_layout)?, bias, sizes)
                }
                other => {
                    let (expected, found) = (WEIGHTS, other.dtype());
                    return Err(Error::Dtype { op: OP, name: "w", expected, found }.into());
                }
            }
        };
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
        let (x, w, _) = gradients(self.arithmetic, x, w, grad, false)?;
        Ok((Some(x), Some(w)))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        check::refused(OP, "CUDA")
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        check::refused(OP, "Metal")
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
        let (x, w, bias) = gradients(self.arithmetic, x, w, grad, true)?;
        Ok((Some(x), Some(w), bias))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        check::refused(OP, "CUDA")
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        check::refused(OP, "Metal")
    }
}
