//! A weight matrix, however it is kept in memory.

use c3_kernels::Blocks;
use candle_core::{DType, Device, Tensor};

use crate::Result;

/// A weight matrix `[out, in]`, however it is kept in memory. Clones share the weights.
#[derive(Clone)]
pub struct Matrix(Kept);

#[derive(Clone)]
enum Kept {
    /// f32, f16 or bf16, row by row.
    Plain(Tensor),
    /// In blocks of fewer bits, on the CPU.
    Quantized(Blocks),
}

static CPU: Device = Device::Cpu;

impl From<Tensor> for Matrix {
    fn from(weight: Tensor) -> Self {
        Self(Kept::Plain(weight))
    }
}

impl From<Blocks> for Matrix {
    fn from(weight: Blocks) -> Self {
        Self(Kept::Quantized(weight))
    }
}

impl Matrix {
    /// `x wᵀ + bias`: `[.., in]` → `[.., out]`, both f32.
    ///
    /// # Errors
    /// Where the shapes don't fit together or the device can't compute it.
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        match &self.0 {
            Kept::Plain(weight) => Ok(c3_kernels::linear(x, weight, bias)?),
            Kept::Quantized(weight) => Ok(c3_kernels::quantized_linear(x, weight, bias)?),
        }
    }

    /// Rows `ids` in f32: `[ids.len(), in]`.
    ///
    /// # Errors
    /// Where there is no such row.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let [_, width] = self.dims();
        if ids.is_empty() {
            return Ok(Tensor::zeros((0, width), DType::F32, self.device())?);
        }
        match &self.0 {
            Kept::Plain(weight) => {
                let ids = Tensor::new(ids, weight.device())?;
                Ok(weight.index_select(&ids, 0)?.to_dtype(DType::F32)?)
            }
            Kept::Quantized(weight) => {
                let rows = weight.rows(ids).map_err(candle_core::Error::from)?;
                Ok(Tensor::from_vec(rows, (ids.len(), width), &CPU)?)
            }
        }
    }

    /// Bytes that the weights take.
    pub fn byte_count(&self) -> usize {
        match &self.0 {
            Kept::Plain(weight) => weight.elem_count() * weight.dtype().size_in_bytes(),
            Kept::Quantized(weight) => weight.bytes().len(),
        }
    }

    /// `[out, in]`
    pub fn dims(&self) -> [usize; 2] {
        match &self.0 {
            Kept::Plain(weight) => [weight.dims()[0], weight.dims()[1]],
            Kept::Quantized(weight) => weight.dims(),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        match &self.0 {
            Kept::Plain(weight) => weight.device(),
            Kept::Quantized(_) => &CPU,
        }
    }
}
