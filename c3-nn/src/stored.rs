//! A matrix or vector as its file has it, and what it is turned into.

use std::ops::Range;
use std::sync::Arc;

use c3_kernels::{BlockType, Blocks};
use candle_core::quantized::QTensor;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::files::Bytes;
use crate::pack::pack;
use crate::{LoadOptions, Matrix, Result, WeightDtype, read};

/// f32 values of the strip of rows that is converted at a time: 1 MB.
const STRIP: usize = 1 << 18;

/// How a file keeps a tensor's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    F16,
    BF16,
    /// 8-bit numbers, with a factor for each row in a tensor of its own.
    I8,
    Blocks(BlockType),
    /// Something that no tensor of a model is kept in, by its name.
    Other(String),
}

/// The names of safetensors and of llama.cpp. Part of a checkpoint's identity: they never change.
impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::F32 => f.write_str("F32"),
            Self::F16 => f.write_str("F16"),
            Self::BF16 => f.write_str("BF16"),
            Self::I8 => f.write_str("I8"),
            Self::Blocks(kind) => kind.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// A part of a file, which stays open as long as this lives.
#[derive(Clone)]
pub(crate) struct Part {
    pub file: Bytes,
    pub range: Range<usize>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.file[self.range.clone()]
    }
}

/// A tensor in its file, of a known format and as many bytes as its shape takes.
pub(crate) enum Stored {
    Float(DType, Vec<usize>, Part),
    Scaled(Scaled),
    Blocks(Blocks),
}

/// A matrix `[rows, width]` of 8-bit numbers, each to be multiplied with its row's factor.
pub(crate) struct Scaled {
    pub width: usize,
    pub factors: Vec<f32>,
    pub part: Part,
}

impl Scaled {
    /// Some of its values, row by row.
    pub fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = f32> + '_ {
        let factors = &self.factors[rows.clone()];
        let bytes = &self.part.as_ref()[rows.start * self.width..rows.end * self.width];
        let rows = bytes.chunks(self.width.max(1)).zip(factors);
        rows.flat_map(|(bytes, &factor)| bytes.iter().map(move |&byte| scaled(factor, byte)))
    }

    /// All of its values, computed by all threads.
    fn values(&self) -> Vec<f32> {
        let bytes = self.part.as_ref();
        let mut values = vec![0.0; bytes.len()];
        let width = self.width.max(1);
        let rows = values.par_chunks_mut(width).zip(bytes.par_chunks(width)).zip(&self.factors);
        rows.for_each(|((values, bytes), &factor)| {
            for (value, &byte) in values.iter_mut().zip(bytes) {
                *value = scaled(factor, byte);
            }
        });
        self.part.file.release(self.part.range.clone());
        values
    }
}

/// What an 8-bit number stands for.
fn scaled(factor: f32, byte: u8) -> f32 {
    factor * f32::from(byte as i8)
}

impl Stored {
    /// All of it in the format that `options` compute in.
    pub fn tensor(&self, options: &LoadOptions) -> Result<Tensor> {
        Ok(self.to_dtype(options.compute_dtype())?.to_device(&options.device)?)
    }

    /// A matrix kept as `options` say, ready for products.
    pub fn matrix(self, options: &LoadOptions) -> Result<Matrix> {
        match self.packs(options) {
            true => Ok(Matrix::packed(pack(&[self])?, options.activations)),
            false => self.table(options),
        }
    }

    /// A matrix kept as `options` say, row by row.
    pub fn table(self, options: &LoadOptions) -> Result<Matrix> {
        let dtype = match (options.dtype, &self) {
            (WeightDtype::F32, _) => DType::F32,
            (WeightDtype::F16, _) => DType::F16,
            (WeightDtype::Bf16, _) => DType::BF16,
            (WeightDtype::Stored | WeightDtype::Auto, Self::Blocks(blocks)) => {
                return Ok(blocks.clone().into());
            }
            (WeightDtype::Auto, Self::Float(DType::BF16, ..)) => DType::BF16,
            (WeightDtype::Auto, Self::Float(..)) => DType::F32,
            (WeightDtype::Stored | WeightDtype::Auto, Self::Scaled(_)) => DType::F32,
            (WeightDtype::Stored, Self::Float(dtype, ..)) => *dtype,
            (WeightDtype::Quantized(kind), _) => match fitting(kind, self.width()) {
                Some(kind) => return Ok(self.quantize(kind)?.into()),
                None => DType::F16,
            },
        };
        Ok(self.to_dtype(dtype)?.to_device(&options.device)?.into())
    }

    /// Whether `options` want it packed.
    pub fn packs(&self, options: &LoadOptions) -> bool {
        let is_bf16 = matches!(self, Self::Float(DType::BF16, ..));
        let wanted = match options.dtype {
            WeightDtype::Bf16 => true,
            WeightDtype::Stored | WeightDtype::Auto => is_bf16,
            WeightDtype::F32 | WeightDtype::F16 | WeightDtype::Quantized(_) => false,
        };
        wanted && options.device.is_cpu()
    }

    /// Length of a row.
    pub fn width(&self) -> usize {
        match self {
            Self::Float(_, shape, _) => shape.last().copied().unwrap_or(1),
            Self::Scaled(scaled) => scaled.width,
            Self::Blocks(blocks) => blocks.dims()[1],
        }
    }

    pub fn height(&self) -> usize {
        match self {
            Self::Float(_, shape, _) => shape[..shape.len().saturating_sub(1)].iter().product(),
            Self::Scaled(scaled) => scaled.factors.len(),
            Self::Blocks(blocks) => blocks.dims()[0],
        }
    }

    fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Float(stored, shape, part) => {
                read::tensor(&part.file, &part.range, *stored, dtype, shape)
            }
            Self::Scaled(scaled) if dtype == DType::F32 => {
                let shape = (self.height(), self.width());
                Ok(Tensor::from_vec(scaled.values(), shape, &Device::Cpu)?)
            }
            Self::Scaled(_) | Self::Blocks(_) => {
                let starts: Vec<usize> = (0..self.height()).step_by(self.strip()).collect();
                let strip = |&start: &usize| self.rows(start)?.to_dtype(dtype);
                let strips = starts.par_iter().map(strip);
                match strips.collect::<candle_core::Result<Vec<_>>>()? {
                    none if none.is_empty() => {
                        Ok(Tensor::zeros((self.height(), self.width()), dtype, &Device::Cpu)?)
                    }
                    strips => Ok(Tensor::cat(&strips, 0)?),
                }
            }
        }
    }

    /// Rows that are converted at a time.
    fn strip(&self) -> usize {
        (STRIP / self.width().max(1)).max(1)
    }

    /// A strip of rows from `start` on, in f32: `[rows, width]`.
    fn rows(&self, start: usize) -> candle_core::Result<Tensor> {
        let (width, end) = (self.width(), self.height().min(start + self.strip()));
        match self {
            Self::Float(dtype, _, part) => {
                let row = width * dtype.size_in_bytes();
                let bytes = &part.as_ref()[start * row..end * row];
                let strip =
                    Tensor::from_raw_buffer(bytes, *dtype, &[end - start, width], &Device::Cpu)?;
                let strip = strip.to_dtype(DType::F32);
                part.file.release(part.range.start + start * row..part.range.start + end * row);
                strip
            }
            Self::Scaled(scaled) => {
                let values: Vec<f32> = scaled.rows(start..end).collect();
                let part = &scaled.part;
                part.file.release(part.range.start + start * width..part.range.start + end * width);
                Tensor::from_vec(values, (end - start, width), &Device::Cpu)
            }
            Self::Blocks(blocks) => {
                let ids: Vec<u32> = (start as u32..end as u32).collect();
                Tensor::from_vec(blocks.rows(&ids)?, (end - start, width), &Device::Cpu)
            }
        }
    }

    /// Rounds all of it into blocks, strip by strip on all threads: besides the blocks, memory
    /// holds one strip of each thread.
    fn quantize(self, kind: BlockType) -> Result<Blocks> {
        if let Self::Blocks(blocks) = &self
            && blocks.kind() == kind
        {
            return Ok(blocks.clone());
        }
        let (width, strip) = (self.width(), self.strip());
        let row_bytes = width / kind.block_len() * kind.block_bytes();
        let mut bytes = vec![0; self.height() * row_bytes];
        let strips = bytes.par_chunks_mut((strip * row_bytes).max(1)).enumerate();
        strips.try_for_each(|(i, bytes)| {
            let quantized = QTensor::quantize(&self.rows(i * strip)?, kind.into())?;
            bytes.copy_from_slice(&quantized.data()?);
            candle_core::Result::Ok(())
        })?;
        let blocks = Blocks::new(kind, [self.height(), width], Arc::new(bytes));
        Ok(blocks.map_err(candle_core::Error::from)?)
    }
}

/// The type that rows of `width` weights are kept in where `kind` was asked for; `None`: in none.
pub(crate) fn fitting(kind: BlockType, width: usize) -> Option<BlockType> {
    let types = [kind, BlockType::Q8_0];
    types.into_iter().find(|kind| width.is_multiple_of(kind.block_len()))
}

#[cfg(test)]
mod tests {
    use super::{BlockType, fitting};

    #[test]
    fn rows_that_are_no_whole_blocks_get_smaller_blocks_or_none() {
        assert_eq!(fitting(BlockType::Q4K, 2048), Some(BlockType::Q4K));
        assert_eq!(fitting(BlockType::Q4K, 896), Some(BlockType::Q8_0));
        assert_eq!(fitting(BlockType::Q4_0, 896), Some(BlockType::Q4_0));
        assert_eq!(fitting(BlockType::Q4_0, 100), None);
    }
}
