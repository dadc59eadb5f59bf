//! Linear layers that take the same input, computed together.

use std::ops::Range;

use c3_kernels::Activations;
use candle_core::{D, Tensor};

use crate::{Matrix, Result};

/// Linear layers that take the same input, kept as one matrix where their weights are kept alike:
/// x is prepared once, and threads meet once.
pub(crate) struct Stacked {
    matrices: Vec<Matrix>, // one for all parts, or one for each
    bias: Option<Tensor>,  // [out of all parts]
    ends: Vec<usize>,      // where each part ends in the columns of all
}

impl Stacked {
    /// `matrices` is one for all parts or one for each; `outs` are the parts' widths.
    pub fn new(matrices: Vec<Matrix>, bias: Option<Tensor>, outs: &[usize]) -> Self {
        let ends = outs.iter().scan(0, |end, out| {
            *end += out;
            Some(*end)
        });
        Self { matrices, bias, ends: ends.collect() }
    }

    /// Bytes of memory that it takes.
    pub fn byte_count(&self) -> u64 {
        let matrices = self.matrices.iter().map(Matrix::byte_count).sum::<u64>();
        matrices + self.bias.as_ref().map_or(0, crate::qwen2::byte_count)
    }

    /// What the inputs are rounded to.
    pub fn activations(&self) -> Activations {
        match self.matrices.iter().all(|matrix| matrix.activations() == Activations::Bf16) {
            true => Activations::Bf16,
            false => Activations::F32,
        }
    }

    /// Some of the parts side by side: `[.., in]` → `[.., out of these parts]`.
    pub fn forward(&self, x: &Tensor, parts: Range<usize>) -> Result<Tensor> {
        let start = |part: usize| part.checked_sub(1).map_or(0, |before| self.ends[before]);
        let columns = start(parts.start)..start(parts.end);
        let bias = match &self.bias {
            Some(bias) => Some(bias.narrow(0, columns.start, columns.len())?),
            None => None,
        };
        if let [matrix] = self.matrices.as_slice() {
            return matrix.columns(x, columns, bias.as_ref());
        }
        let each = parts.map(|part| {
            let width = self.ends[part] - start(part);
            let bias = match &bias {
                Some(bias) => Some(bias.narrow(0, start(part) - columns.start, width)?),
                None => None,
            };
            self.matrices[part].linear(x, bias.as_ref())
        });
        Ok(Tensor::cat(&each.collect::<Result<Vec<_>>>()?, D::Minus1)?)
    }
}
