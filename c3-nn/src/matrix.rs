//! A weight matrix, however it is kept in memory.

use candle_core::{DType, Device, Tensor};

use crate::Result;

/// A weight matrix `[out, in]`, however it is kept in memory. Clones share the weights.
#[derive(Clone)]
pub struct Matrix(Kept);

#[derive(Clone)]
enum Kept {
    /// f32, f16 or bf16, row by row.
    Plain(Tensor),
}

impl From<Tensor> for Matrix {
    fn from(weight: Tensor) -> Self {
        Self(Kept::Plain(weight))
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
        }
    }

    /// `[out, in]`
    pub fn dims(&self) -> [usize; 2] {
        match &self.0 {
            Kept::Plain(weight) => [weight.dims()[0], weight.dims()[1]],
        }
    }

    /// Bytes of memory that it takes.
    pub fn byte_count(&self) -> u64 {
        match &self.0 {
            Kept::Plain(weight) => (weight.elem_count() * weight.dtype().size_in_bytes()) as u64,
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        match &self.0 {
            Kept::Plain(weight) => weight.device(),
        }
    }
}
