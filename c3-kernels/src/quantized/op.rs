//! The linear layer with quantised weights, as an operation on candle's tensors.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, DType, Layout, MetalStorage, Shape, Tensor,
};

use super::{Blocks, product};
use crate::error::result_size;
use crate::{Error, Level, check};

const OP: &str = "quantized_linear";

/// `x wᵀ + bias` with quantised weights.
///
/// `x` is f32 `[.., k]`, `w` is `[n, k]`, `bias` f32 `[n]`; tensors are contiguous. The result is f32
/// `[.., n]`. x is rounded to 8 bits a value, with a scale for 32 or 256 values as `w` has blocks: on
/// values spread evenly that is a relative RMS error of 0.4%, on normal ones of 0.7%. A value that
/// is no finite number makes its row's results NaN or infinite.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, or the tensors are not on the CPU. There is no
/// backward pass: asking for one is an error.
pub fn quantized_linear(
    x: &Tensor,
    w: &Blocks,
    bias: Option<&Tensor>,
) -> candle_core::Result<Tensor> {
    quantized_linear_with(Level::detect(), x, w, bias)
}

/// [`quantized_linear`] at a level of one's choice. [`Level::Avx512`] also takes AVX-512VNNI, and is
/// [`Level::Avx2`] where the machine lacks that.
///
/// # Errors
/// As [`quantized_linear`], and if the machine doesn't have the level.
pub fn quantized_linear_with(
    level: Level,
    x: &Tensor,
    w: &Blocks,
    bias: Option<&Tensor>,
) -> candle_core::Result<Tensor> {
    if !level.is_available() {
        return Err(Error::Level { level }.into());
    }
    check::dtype(OP, "x", x, "F32", &[DType::F32])?;
    match bias {
        None => x.apply_op1(Op { level, w: w.clone() }),
        Some(bias) => {
            check::dtype(OP, "bias", bias, "F32", &[DType::F32])?;
            x.apply_op2(bias, Op { level, w: w.clone() })
        }
    }
}

struct Op {
    level: Level,
    w: Blocks,
}

impl Op {
    fn compute(
        &self,
        (x, x_layout): (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let [n, k] = self.w.dims();
        let outer = check::outer(OP, x_layout, k)?;
        if let Some((_, layout)) = bias {
            check::bias(OP, layout, n)?;
        }
        let shape = [outer, &[n]].concat();
        result_size(OP, &shape)?;
        let rows = outer.iter().product();
        let x = check::contiguous(OP, "x", x.as_slice()?, x_layout)?;
        let bias = match bias {
            Some((bias, layout)) => Some(check::contiguous(OP, "bias", bias.as_slice()?, layout)?),
            None => None,
        };
        // SAFETY: `quantized_linear_with` checked the level; the slices have the sizes of their
        // shapes, and `Blocks` checked its own.
        let weights = (self.w.kind(), self.w.bytes());
        let out = unsafe { product(self.level, x, weights, bias, [rows, n, k]) };
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }
}

impl CustomOp1 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, layout), None)
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        check::refused(OP, "CUDA")
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        check::refused(OP, "Metal")
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
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.compute((x, x_layout), Some((bias, bias_layout)))
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
