//! Weights in safetensors files: one, or many shards with an index.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::files::{Bytes, Files};
use crate::{Error, Matrix, Result, read};

/// The number format that weight matrices are kept in. Norms and biases are always f32, and so is
/// the arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// bfloat16.
    Bf16,
    /// As the checkpoint has them.
    Stored,
}

/// Where and how a model is put into memory.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where it computes.
    pub device: Device,
    /// How its matrices are kept.
    pub dtype: WeightDtype,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, dtype: WeightDtype::F32 }
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

    /// Names, shapes, dtypes and bytes of the tensors that are `wanted`, in the order of their names;
    /// their pages are let go of behind it.
    pub(crate) fn visit(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        mut visit: impl FnMut(&str, &[usize], Dtype, &[u8]),
    ) {
        for (name, entry) in self.tensors.iter().filter(|(name, _)| wanted(name)) {
            let bytes = &self.shards[entry.shard];
            visit(name, &entry.shape, entry.dtype, &bytes[entry.range.clone()]);
            bytes.release(entry.range.clone());
        }
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
        let dtype = match options.dtype {
            WeightDtype::F32 => Some(DType::F32),
            WeightDtype::F16 => Some(DType::F16),
            WeightDtype::Bf16 => Some(DType::BF16),
            WeightDtype::Stored => None,
        };
        Ok(self.read(name, shape, dtype)?.to_device(&options.device)?.into())
    }

    /// A tensor of `shape` in f32: a norm, a bias, the context queries.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn f32(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Tensor> {
        Ok(self.read(name, shape, Some(DType::F32))?.to_device(&options.device)?)
    }

    /// The number format that a tensor is stored in.
    pub(crate) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|entry| entry.dtype)
    }

    /// Bytes of tensors that the program carries, and that stay in memory once they are read. Pages of
    /// a mapped file don't.
    pub fn carried_bytes(&self) -> u64 {
        let carried = |bytes: &&Bytes| matches!(bytes, Bytes::Static(_));
        self.shards.iter().filter(carried).map(|bytes| bytes.len() as u64).sum()
    }

    /// A tensor in `dtype`, or as it is stored.
    fn read(&self, name: &str, shape: &[usize], dtype: Option<DType>) -> Result<Tensor> {
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
        let stored = match entry.dtype {
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
        let bytes = &self.shards[entry.shard];
        read::tensor(bytes, &entry.range, stored, dtype.unwrap_or(stored), shape)
    }
}
