//! Weights in safetensors files: one, or many shards with an index.

use std::collections::BTreeMap;

use c3_kernels::{Activations, PackedMatrix};
use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::files::{Bytes, Files};
use crate::stacked::Stacked;
use crate::{Error, Matrix, Result};

/// The number format that weight matrices are kept in. Norms and biases are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// bfloat16; on the CPU packed for its matrix instructions.
    Bf16,
    /// As the checkpoint has them.
    Stored,
    /// bfloat16 where the checkpoint has that, which large ones do, else 32-bit floats.
    Auto,
}

/// Where and how a model is put into memory.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where it computes.
    pub device: Device,
    /// How its matrices are kept.
    pub dtype: WeightDtype,
    /// Whether what bf16 matrices are multiplied with is rounded to bf16 too. All else is f32.
    pub activations: Activations,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, dtype: WeightDtype::F32, activations: Activations::F32 }
    }
}

struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    range: std::ops::Range<usize>,
}

/// The tensors of one model, still in their files.
pub struct Weights {
    shards: Vec<Bytes>,
    names: Vec<String>, // of the shards, for messages
    tensors: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens `{prefix}model.safetensors`, or the shards that `{prefix}model.safetensors.index.json`
    /// names.
    pub(crate) fn open(files: &Files, prefix: &str) -> Result<Self> {
        let mut weights = Self { shards: Vec::new(), names: Vec::new(), tensors: BTreeMap::new() };
        let index_name = format!("{prefix}model.safetensors.index.json");
        let Some(index_bytes) = files.get(&index_name)? else {
            let name = format!("{prefix}model.safetensors");
            weights.add_shard(files.display(&name), files.require(&name)?)?;
            return Ok(weights);
        };
        let index_file = files.display(&index_name);
        let index: Index = serde_json::from_slice(&index_bytes)
            .map_err(|e| Error::Config { file: index_file.clone(), reason: e.to_string() })?;
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in shards {
            // An index must not be able to name files outside the checkpoint.
            if shard.contains(['/', '\\']) || shard.as_str() == ".." {
                let reason = format!("shard {shard:?} is not a plain file name");
                return Err(Error::Config { file: index_file, reason });
            }
            let name = format!("{prefix}{shard}");
            let bytes = files.get(&name)?.ok_or_else(|| Error::MissingShard {
                index: index_file.clone(),
                shard: files.display(&name),
            })?;
            weights.add_shard(files.display(&name), bytes)?;
        }
        for (tensor, shard) in &index.weight_map {
            if !weights.tensors.contains_key(tensor) {
                let file = files.display(&format!("{prefix}{shard}"));
                return Err(Error::MissingTensor { name: tensor.clone(), file });
            }
        }
        Ok(weights)
    }

    fn add_shard(&mut self, name: String, bytes: Bytes) -> Result<()> {
        let damaged = |source| Error::Weights { file: name.clone(), bytes: bytes.len(), source };
        // Deserialising checks that the tensors cover the file exactly: a truncated one fails here.
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let base = bytes.as_ptr() as usize;
        for (tensor, view) in file.tensors() {
            let start = view.data().as_ptr() as usize - base;
            let entry = Entry {
                shard: self.shards.len(),
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                range: start..start + view.data().len(),
            };
            self.tensors.insert(tensor, entry);
        }
        self.shards.push(bytes);
        self.names.push(name);
        Ok(())
    }

    /// Names, shapes, dtypes and bytes of all tensors, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[usize], Dtype, &[u8])> {
        self.tensors.iter().map(|(name, entry)| {
            let bytes = &self.shards[entry.shard][entry.range.clone()];
            (name.as_str(), entry.shape.as_slice(), entry.dtype, bytes)
        })
    }

    /// Bytes of all tensors together.
    pub fn byte_count(&self) -> u64 {
        self.tensors.values().map(|entry| entry.range.len() as u64).sum()
    }

    /// A weight matrix of `shape`, in the number format of `options`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::TensorDtype`].
    pub fn matrix(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Matrix> {
        if self.packs(name, shape, options)? {
            let packed = self.pack(&[(name.to_owned(), shape[0])], shape[1])?;
            return Ok(Matrix::packed(packed, options.activations));
        }
        self.table(name, shape, options)
    }

    /// As [`matrix`](Self::matrix), for a matrix whose rows are looked up but that nothing is
    /// multiplied with: it is kept row by row.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn table(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Matrix> {
        let tensor = self.read(name, shape)?;
        let dtype = match options.dtype {
            WeightDtype::F32 => DType::F32,
            WeightDtype::F16 => DType::F16,
            WeightDtype::Bf16 => DType::BF16,
            WeightDtype::Stored => tensor.dtype(),
            WeightDtype::Auto if tensor.dtype() == DType::BF16 => DType::BF16,
            WeightDtype::Auto => DType::F32,
        };
        Ok(tensor.to_dtype(dtype)?.to_device(&options.device)?.into())
    }

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
        let mut packs = Vec::new();
        for (name, out) in &names {
            packs.push(self.packs(name, &[*out, width], options)?);
        }
        let aligned = outs.iter().all(|out| out.is_multiple_of(16));
        let matrices = if aligned && packs.iter().all(|&packs| packs) {
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
    fn packs(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<bool> {
        let (_, dtype) = self.find(name, shape)?;
        let wanted = match options.dtype {
            WeightDtype::Bf16 => true,
            WeightDtype::Stored | WeightDtype::Auto => dtype == DType::BF16,
            WeightDtype::F32 | WeightDtype::F16 => false,
        };
        Ok(wanted && options.device.is_cpu())
    }

    /// Packs matrices of `width` columns, given by their names and numbers of rows, as one below the
    /// other. Rows go from the file to their place with no copy of the whole between.
    fn pack(&self, parts: &[(String, usize)], width: usize) -> Result<PackedMatrix> {
        let mut sources = Vec::new();
        for (name, rows) in parts {
            let (entry, dtype) = self.find(name, &[*rows, width])?;
            sources.push((*rows, dtype, &self.shards[entry.shard][entry.range.clone()]));
        }
        let rows = sources.iter().map(|(rows, ..)| rows).sum();
        let packed = PackedMatrix::pack([rows, width], |mut row, to| {
            for &(rows, dtype, bytes) in &sources {
                if row < rows {
                    let size = bytes.len() / rows;
                    round_row(dtype, &bytes[row * size..(row + 1) * size], to);
                    break;
                }
                row -= rows;
            }
            Ok::<_, candle_core::Error>(())
        })?;
        Ok(packed)
    }

    /// A tensor of `shape` in f32: a norm, a bias, the context queries.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn f32(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Tensor> {
        Ok(self.read(name, shape)?.to_dtype(DType::F32)?.to_device(&options.device)?)
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let (entry, dtype) = self.find(name, shape)?;
        let bytes = &self.shards[entry.shard][entry.range.clone()];
        Ok(Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu)?)
    }

    /// A tensor that must have this shape and floats of some kind.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(&Entry, DType)> {
        let entry = self.tensors.get(name).ok_or_else(|| Error::MissingTensor {
            name: name.into(),
            file: self.names.join(", "),
        })?;
        let file = &self.names[entry.shard];
        if entry.shape != shape {
            return Err(Error::TensorShape {
                name: name.into(),
                file: file.clone(),
                expected: shape.to_vec(),
                found: entry.shape.clone(),
            });
        }
        let dtype = match entry.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                return Err(Error::TensorDtype {
                    name: name.into(),
                    file: file.clone(),
                    found: format!("{other:?}"),
                });
            }
        };
        Ok((entry, dtype))
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
