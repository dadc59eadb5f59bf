//! A weight matrix, however it is kept in memory.

use std::ops::Range;

use c3_kernels::{Activations, Blocks, PackedMatrix, Unit};
use candle_core::{DType, Device, Tensor};

use crate::Result;

/// What a product rounds before it multiplies: how far it may be off, whatever order it adds in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rounding {
    /// Nothing: all is f32.
    F32,
    /// What it multiplies with, or all, to 16 bits.
    Sixteen,
    /// What it multiplies with, to blocks of 8-bit values.
    Eight,
}

/// A weight matrix `[out, in]`, however it is kept in memory. Clones share the weights.
#[derive(Clone)]
pub struct Matrix(Kept);

#[derive(Clone)]
enum Kept {
    /// f32, f16 or bf16, row by row.
    Plain(Tensor),
    /// bf16, packed for the processor.
    Packed(PackedMatrix, Activations),
    /// In blocks of fewer bits, on the CPU.
    Quantized(Blocks),
    /// A variable, f32 on the CPU, and what its products round.
    Trained(Tensor, Activations),
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
    /// Weights packed for the processor, and whether what they are multiplied with is rounded.
    pub fn packed(weights: PackedMatrix, activations: Activations) -> Self {
        Self(Kept::Packed(weights, activations))
    }

    /// The weights, where they are kept row by row as floats.
    pub(crate) fn plain(&self) -> Option<(&Tensor, Activations)> {
        match &self.0 {
            Kept::Plain(weight) => Some((weight, Activations::F32)),
            Kept::Trained(weight, activations) => Some((weight, *activations)),
            Kept::Packed(..) | Kept::Quantized(_) => None,
        }
    }

    /// Weights that are trained, f32 on the CPU.
    pub(crate) fn trained(weight: Tensor, activations: Activations) -> Self {
        Self(Kept::Trained(weight, activations))
    }

    /// What its inputs are rounded to before they are multiplied; quantised matrices aside, which
    /// have formats of their own for that.
    pub(crate) fn activations(&self) -> Activations {
        match &self.0 {
            Kept::Packed(_, activations) => *activations,
            Kept::Plain(_) | Kept::Trained(..) | Kept::Quantized(_) => Activations::F32,
        }
    }

    /// What its products round.
    pub(crate) fn rounding(&self) -> Rounding {
        match &self.0 {
            Kept::Quantized(_) => Rounding::Eight,
            Kept::Packed(_, Activations::Bf16) | Kept::Trained(_, Activations::Bf16) => {
                Rounding::Sixteen
            }
            Kept::Plain(weight) if !weight.device().is_cpu() && weight.dtype() != DType::F32 => {
                Rounding::Sixteen
            }
            Kept::Plain(_) | Kept::Packed(..) | Kept::Trained(..) => Rounding::F32,
        }
    }

    /// Matrices of the same width as one below the other, where all are kept row by row in the same
    /// dtype; else as they are.
    pub(crate) fn stack(matrices: Vec<Self>) -> Result<Vec<Self>> {
        let plain: Vec<&Tensor> = matrices
            .iter()
            .filter_map(|matrix| match &matrix.0 {
                Kept::Plain(weight) => Some(weight),
                Kept::Packed(..) | Kept::Quantized(_) | Kept::Trained(..) => None,
            })
            .collect();
        let alike = plain.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype());
        if plain.len() < matrices.len() || !alike {
            return Ok(matrices);
        }
        Ok(vec![Tensor::cat(&plain, 0)?.into()])
    }

    /// `x wᵀ + bias`: `[.., in]` → `[.., out]`, both f32 on the CPU, elsewhere as the matrix is.
    ///
    /// # Errors
    /// Where the shapes don't fit together or the device can't compute it.
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let [out, _] = self.dims();
        self.columns(x, 0..out, bias)
    }

    /// Some columns of [`linear`](Self::linear) alone: `[.., columns.len()]`; `bias` is
    /// `[columns.len()]`.
    ///
    /// # Errors
    /// As [`linear`](Self::linear), and where packed columns don't begin at a multiple of 16.
    pub fn columns(
        &self,
        x: &Tensor,
        columns: Range<usize>,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        match &self.0 {
            Kept::Plain(weight) => {
                let weight = weight.narrow(0, columns.start, columns.len())?;
                Ok(c3_kernels::linear(x, &weight, bias)?)
            }
            Kept::Trained(weight, activations) => {
                let weight = weight.narrow(0, columns.start, columns.len())?;
                Ok(c3_kernels::trained_linear(x, &weight, bias, *activations)?)
            }
            Kept::Packed(weight, activations) => {
                let unit = Unit::detect(*activations);
                Ok(weight.columns_with(unit, x, columns, bias, *activations)?)
            }
            Kept::Quantized(weight) => {
                let weight = weight.narrow(columns).map_err(candle_core::Error::from)?;
                Ok(c3_kernels::quantized_linear(x, &weight, bias)?)
            }
        }
    }

    /// Rows `ids`: `[ids.len(), in]`, in f32 on the CPU, elsewhere as the matrix is.
    ///
    /// # Errors
    /// Where there is no such row.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let [rows, width] = self.dims();
        match &self.0 {
            Kept::Plain(weight) | Kept::Trained(weight, _) => {
                let dtype = if weight.device().is_cpu() { DType::F32 } else { weight.dtype() };
                if ids.is_empty() {
                    // A view: a device refuses memory of no bytes.
                    let none = weight.narrow(0, 0, 0)?;
                    return Ok(if none.dtype() == dtype { none } else { none.to_dtype(dtype)? });
                }
                let ids = Tensor::new(ids, weight.device())?;
                Ok(weight.index_select(&ids, 0)?.to_dtype(dtype)?)
            }
            Kept::Packed(weight, _) => {
                if let Some(&id) = ids.iter().find(|&&id| id as usize >= rows) {
                    return Err(crate::Error::Shape {
                        what: "a row of a matrix",
                        expected: format!("a number below {rows}"),
                        found: id.to_string(),
                    });
                }
                let mut values = vec![0f32; ids.len() * width];
                for (&id, to) in ids.iter().zip(values.chunks_mut(width)) {
                    weight.row(id as usize, to);
                }
                Ok(Tensor::from_vec(values, (ids.len(), width), &Device::Cpu)?)
            }
            Kept::Quantized(weight) => {
                let rows = weight.rows(ids).map_err(candle_core::Error::from)?;
                Ok(Tensor::from_vec(rows, (ids.len(), width), &CPU)?)
            }
        }
    }

    /// `[out, in]`
    pub fn dims(&self) -> [usize; 2] {
        match &self.0 {
            Kept::Plain(weight) | Kept::Trained(weight, _) => [weight.dims()[0], weight.dims()[1]],
            Kept::Packed(weight, _) => weight.dims(),
            Kept::Quantized(weight) => weight.dims(),
        }
    }

    /// Bytes of memory that it takes.
    pub fn byte_count(&self) -> u64 {
        match &self.0 {
            Kept::Plain(weight) | Kept::Trained(weight, _) => crate::qwen2::byte_count(weight),
            Kept::Packed(weight, _) => weight.bytes() as u64,
            Kept::Quantized(weight) => weight.bytes().len() as u64,
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        match &self.0 {
            Kept::Plain(weight) | Kept::Trained(weight, _) => weight.device(),
            Kept::Packed(..) | Kept::Quantized(_) => &CPU,
        }
    }
}
