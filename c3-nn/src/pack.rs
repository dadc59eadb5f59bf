//! Matrices out of a file and into the order that the processor wants.

use c3_kernels::PackedMatrix;
use candle_core::{DType, Tensor};
use half::{bf16, f16};

use crate::stacked::Stacked;
use crate::{LoadOptions, Matrix, Result, WeightDtype, Weights};

/// Rows whose pages in the file are let go of together: pages of a mapped file count as this
/// process's memory for as long as they stay mapped.
const RELEASED_ROWS: usize = 64;

impl Weights {
    /// Several linear layers of `width` inputs as one: for each its name and number of outputs.
    pub(crate) fn stacked(
        &self,
        parts: &[(String, usize)],
        width: usize,
        bias: bool,
        options: &LoadOptions,
    ) -> Result<Stacked> {
        let outs: Vec<usize> = parts.iter().map(|(_, out)| *out).collect();
        let names: Vec<(String, usize)> =
            parts.iter().map(|(name, out)| (format!("{name}.weight"), *out)).collect();
        let mut packs = true;
        for (name, out) in &names {
            packs &= out.is_multiple_of(16) && self.packs(name, &[*out, width], options)?;
        }
        let matrices = if packs {
            vec![Matrix::packed(self.pack(&names, width)?, options.activations)]
        } else {
            let each = names.iter().map(|(name, out)| self.matrix(name, &[*out, width], options));
            Matrix::stack(each.collect::<Result<_>>()?)?
        };
        let bias = match bias {
            true => {
                let each = parts
                    .iter()
                    .map(|(name, out)| self.f32(&format!("{name}.bias"), &[*out], options));
                Some(Tensor::cat(&each.collect::<Result<Vec<_>>>()?, 0)?)
            }
            false => None,
        };
        Ok(Stacked::new(matrices, bias, &outs))
    }

    /// Whether this matrix is to be packed.
    pub(crate) fn packs(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<bool> {
        let (dtype, ..) = self.stored(name, shape)?;
        let wanted = match options.dtype {
            WeightDtype::Bf16 => true,
            WeightDtype::Stored | WeightDtype::Auto => dtype == DType::BF16,
            WeightDtype::F32 | WeightDtype::F16 => false,
        };
        Ok(wanted && options.device.is_cpu())
    }

    /// Packs matrices of `width` columns, given by their names and numbers of rows, as one below
    /// the other. Rows go from the file to their place with no copy of the whole between.
    pub(crate) fn pack(&self, parts: &[(String, usize)], width: usize) -> Result<PackedMatrix> {
        let mut sources = Vec::new();
        for (name, rows) in parts {
            let (dtype, bytes, range) = self.stored(name, &[*rows, width])?;
            sources.push((*rows, dtype, bytes, range));
        }
        let rows = sources.iter().map(|(rows, ..)| rows).sum();
        let packed = PackedMatrix::pack([rows, width], |mut row, to| {
            for (rows, dtype, bytes, range) in &sources {
                if row < *rows {
                    let size = range.len() / rows;
                    let at = |row: usize| range.start + row * size;
                    round_row(*dtype, &bytes[at(row)..at(row + 1)], to);
                    if (row + 1).is_multiple_of(RELEASED_ROWS) || row + 1 == *rows {
                        bytes.release(at(row / RELEASED_ROWS * RELEASED_ROWS)..at(row + 1));
                    }
                    break;
                }
                row -= rows;
            }
            Ok::<_, candle_core::Error>(())
        })?;
        Ok(packed)
    }
}

/// A row of stored floats in bf16, rounded where they are more exact.
fn round_row(dtype: DType, bytes: &[u8], to: &mut [bf16]) {
    match dtype {
        DType::F32 => {
            for (from, to) in bytes.as_chunks::<4>().0.iter().zip(to) {
                *to = bf16::from_f32(f32::from_le_bytes(*from));
            }
        }
        DType::F16 => {
            for (from, to) in bytes.as_chunks::<2>().0.iter().zip(to) {
                *to = bf16::from_f32(f16::from_le_bytes(*from).to_f32());
            }
        }
        _ => {
            for (from, to) in bytes.as_chunks::<2>().0.iter().zip(to) {
                *to = bf16::from_le_bytes(*from);
            }
        }
    }
}
