//! Linear layers that take the same input, computed together.

use std::ops::Range;

use c3_kernels::Activations;
use candle_core::{D, Tensor};

use crate::{Matrix, Result, Rounding};

/// Linear layers that take the same input, kept as one matrix where their weights are kept alike:
/// x is prepared once, and threads meet once.
pub(crate) struct Stacked {
    matrices: Vec<Matrix>, // one for all parts, or one for each
    bias: Option<Tensor>,  // [out of all parts]
    /// In place of both where the model is trained: each part's weights and bias, joined for each
    /// pass, since they change.
    trained: Vec<(Tensor, Option<Tensor>)>,
    rounded: Activations, // by the trained layers' products
    ends: Vec<usize>,     // where each part ends in the columns of all
}

impl Stacked {
    /// `matrices` is one for all parts or one for each; `outs` are the parts' widths.
    pub fn new(matrices: Vec<Matrix>, bias: Option<Tensor>, outs: &[usize]) -> Self {
        let rounded = Activations::F32;
        Self { matrices, bias, trained: Vec::new(), rounded, ends: ends(outs) }
    }

    /// Layers that are trained: each part's weights and bias; what their products round.
    pub fn trained(
        trained: Vec<(Tensor, Option<Tensor>)>,
        rounded: Activations,
        outs: &[usize],
    ) -> Self {
        Self { matrices: Vec::new(), bias: None, trained, rounded, ends: ends(outs) }
    }

    /// Bytes of memory that it takes.
    pub fn byte_count(&self) -> u64 {
        let matrices = self.matrices.iter().map(Matrix::byte_count).sum::<u64>();
        let biases = self.trained.iter().filter_map(|(_, bias)| bias.as_ref()).chain(&self.bias);
        let trained = self.trained.iter().map(|(weight, _)| weight);
        matrices + trained.chain(biases).map(crate::qwen2::byte_count).sum::<u64>()
    }

    /// The coarsest rounding of its products.
    pub fn rounding(&self) -> Rounding {
        let of_trained = match (self.trained.is_empty(), self.rounded) {
            (false, Activations::Bf16) => Rounding::Sixteen,
            _ => Rounding::F32,
        };
        self.matrices.iter().map(Matrix::rounding).fold(of_trained, Rounding::max)
    }

    /// What the inputs are rounded to.
    pub fn activations(&self) -> Activations {
        let bf16 = |matrix: &Matrix| matrix.activations() == Activations::Bf16;
        match !self.matrices.is_empty() && self.matrices.iter().all(bf16) {
            true => Activations::Bf16,
            false => Activations::F32,
        }
    }

    /// Some of the parts side by side: `[.., in]` → `[.., out of these parts]`.
    pub fn forward(&self, x: &Tensor, parts: Range<usize>) -> Result<Tensor> {
        if !self.trained.is_empty() {
            let parts = &self.trained[parts];
            let weights: Vec<&Tensor> = parts.iter().map(|(weight, _)| weight).collect();
            let biases: Vec<&Tensor> = parts.iter().filter_map(|(_, bias)| bias.as_ref()).collect();
            let bias = (!biases.is_empty()).then(|| Tensor::cat(&biases, 0)).transpose()?;
            let weights = Tensor::cat(&weights, 0)?;
            let bias = bias.as_ref();
            return Ok(c3_kernels::trained_linear(x, &weights, bias, self.rounded)?);
        }
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

/// Where parts of these widths end.
fn ends(outs: &[usize]) -> Vec<usize> {
    let ends = outs.iter().scan(0, |end, out| {
        *end += out;
        Some(*end)
    });
    ends.collect()
}
