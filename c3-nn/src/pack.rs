//! Matrices out of a file and into the order that the processor wants.

use c3_kernels::PackedMatrix;
use candle_core::{DType, Tensor};
use half::{bf16, f16};

use crate::stacked::Stacked;
use crate::stored::Stored;
use crate::{LoadOptions, Matrix, Result, Weights};

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
        if options.parameters.is_some() {
            let part = |(name, out): &(String, usize)| {
                let weight = self.tensor(&format!("{name}.weight"), &[*out, width], options)?;
                let bias = bias.then(|| self.tensor(&format!("{name}.bias"), &[*out], options));
                Ok((weight, bias.transpose()?))
            };
            let trained = parts.iter().map(part).collect::<Result<Vec<_>>>()?;
            return Ok(Stacked::trained(trained, options.activations, &outs));
        }
        let names: Vec<(String, usize)> =
            parts.iter().map(|(name, out)| (format!("{name}.weight"), *out)).collect();
        let stored = names.iter().map(|(name, out)| self.stored(name, &[*out, width]));
        let stored = stored.collect::<Result<Vec<_>>>()?;
        let aligned = outs.iter().all(|out| out.is_multiple_of(16));
        let matrices = if aligned && stored.iter().all(|stored| stored.packs(options)) {
            vec![Matrix::packed(pack(&stored)?, options.activations)]
        } else {
            let each = stored.into_iter().map(|stored| stored.matrix(options));
            Matrix::stack(each.collect::<Result<_>>()?)?
        };
        let bias = match bias {
            true => {
                let each = parts
                    .iter()
                    .map(|(name, out)| self.tensor(&format!("{name}.bias"), &[*out], options));
                Some(Tensor::cat(&each.collect::<Result<Vec<_>>>()?, 0)?)
            }
            false => None,
        };
        Ok(Stacked::new(matrices, bias, &outs))
    }
}

/// Packs matrices of the same width as one below the other. Rows go from the file to their place
/// with no copy of the whole between.
pub(crate) fn pack(parts: &[Stored]) -> Result<PackedMatrix> {
    let width = parts.first().map_or(0, Stored::width);
    let rows = parts.iter().map(Stored::height).sum();
    let packed = PackedMatrix::pack([rows, width], |mut row, to| {
        for part in parts {
            if row < part.height() {
                return put_row(part, row, to);
            }
            row -= part.height();
        }
        Ok(())
    })?;
    Ok(packed)
}

fn put_row(part: &Stored, row: usize, to: &mut [bf16]) -> candle_core::Result<()> {
    match part {
        Stored::Float(dtype, _, part_of) => {
            let (bytes, range, rows) = (&part_of.file, &part_of.range, part.height());
            let size = range.len() / rows;
            let at = |row: usize| range.start + row * size;
            round_row(*dtype, &bytes[at(row)..at(row + 1)], to);
            if (row + 1).is_multiple_of(RELEASED_ROWS) || row + 1 == rows {
                bytes.release(at(row / RELEASED_ROWS * RELEASED_ROWS)..at(row + 1));
            }
        }
        Stored::Scaled(scaled) => {
            for (value, to) in scaled.rows(row..row + 1).zip(to) {
                *to = bf16::from_f32(value);
            }
        }
        Stored::Blocks(blocks) => {
            for (value, to) in blocks.rows(&[row as u32])?.into_iter().zip(to) {
                *to = bf16::from_f32(value);
            }
        }
    }
    Ok(())
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
