//! The tensors of a model: in safetensors files, one or many shards with an index, and in GGUF.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use c3_kernels::Blocks;
use candle_core::{DType, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::files::{Bytes, Files, map};
use crate::gguf::Gguf;
use crate::qwen2::EMBEDDINGS;
use crate::stored::{Format, Part, Scaled, Stored};
use crate::{Error, LoadOptions, Matrix, Parameters, Qwen2Config, Result, WeightDtype};

/// What the name of the factors of a matrix's rows ends with, behind the name of the matrix.
const SCALE: &str = "_scale";

struct Entry {
    shard: usize,
    format: Format,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// The tensors of one model, still in their files.
pub struct Weights {
    shards: Vec<Bytes>,
    names: Vec<String>, // of the shards, for messages
    tensors: BTreeMap<String, Entry>,
    /// What a GGUF file among the shards says of its model, and which shard it is.
    gguf: Option<(usize, Qwen2Config)>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens `{prefix}model.safetensors`, or the shards that `{prefix}model.safetensors.index.json`
    /// names, or `{prefix}model.gguf`. Beside a GGUF file, which has the language model's tensors,
    /// `{prefix}c3.safetensors` or else one of the former may hold more; of tensors that are in
    /// both, the GGUF file's are taken.
    pub(crate) fn open(files: &Files, prefix: &str) -> Result<Self> {
        let mut weights = Self::empty();
        let name = format!("{prefix}model.gguf");
        let Some(gguf) = files.get(&name)? else {
            weights.open_safetensors(files, prefix, true)?;
            return Ok(weights);
        };
        let beside = format!("{prefix}c3.safetensors");
        match files.get(&beside)? {
            Some(bytes) => weights.add_shard(files.display(&beside), bytes)?,
            None => weights.open_safetensors(files, prefix, false)?,
        }
        weights.add_gguf(files.display(&name), gguf)?;
        Ok(weights)
    }

    /// One GGUF file alone, and the shape of its model.
    pub(crate) fn open_gguf(path: &Path) -> Result<(Self, Qwen2Config)> {
        let bytes = map(path)?.ok_or_else(|| Error::Read {
            path: path.into(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        let mut weights = Self::empty();
        let config = weights.add_gguf(path.display().to_string(), bytes)?;
        Ok((weights, config))
    }

    fn empty() -> Self {
        Self { shards: vec![], names: vec![], tensors: BTreeMap::new(), gguf: None }
    }

    fn open_safetensors(&mut self, files: &Files, prefix: &str, required: bool) -> Result<()> {
        let index_name = format!("{prefix}model.safetensors.index.json");
        let Some(index_bytes) = files.get(&index_name)? else {
            let name = format!("{prefix}model.safetensors");
            let bytes = if required { Some(files.require(&name)?) } else { files.get(&name)? };
            return match bytes {
                Some(bytes) => self.add_shard(files.display(&name), bytes),
                None => Ok(()),
            };
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
            self.add_shard(files.display(&name), bytes)?;
        }
        for (tensor, shard) in &index.weight_map {
            if !self.tensors.contains_key(tensor) {
                let file = files.display(&format!("{prefix}{shard}"));
                return Err(Error::MissingTensor { name: tensor.clone(), file });
            }
        }
        Ok(())
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
                format: match view.dtype() {
                    Dtype::F32 => Format::F32,
                    Dtype::F16 => Format::F16,
                    Dtype::BF16 => Format::BF16,
                    Dtype::I8 => Format::I8,
                    other => Format::Other(format!("{other:?}")),
                },
                shape: view.shape().to_vec(),
                range: start..start + view.data().len(),
            };
            self.tensors.insert(tensor, entry);
        }
        self.shards.push(bytes);
        self.names.push(name);
        Ok(())
    }

    fn add_gguf(&mut self, name: String, bytes: Bytes) -> Result<Qwen2Config> {
        let gguf = Gguf::read(&name, &bytes)?;
        for tensor in gguf.tensors {
            let crate::gguf::Tensor { name, format, shape, range } = tensor;
            self.tensors.insert(name, Entry { shard: self.shards.len(), format, shape, range });
        }
        self.gguf = Some((self.shards.len(), gguf.config.clone()));
        self.shards.push(bytes);
        self.names.push(name);
        Ok(gguf.config)
    }

    /// Refuses a GGUF file whose model isn't the one that `config.json` speaks of, in what the
    /// tensors' shapes don't tell.
    pub(crate) fn check_gguf(&self, config: &Qwen2Config) -> Result<()> {
        let Some((shard, found)) = &self.gguf else { return Ok(()) };
        let of = |config: &Qwen2Config| {
            format!(
                "{} heads, {} KV heads, rms_norm_eps {:e}, rope_theta {}",
                config.num_attention_heads,
                config.num_key_value_heads,
                config.rms_norm_eps as f32,
                config.rope_theta as f32,
            )
        };
        let (found, expected) = (of(found), of(config));
        if found != expected {
            let reason = format!("its model has {found}, but config.json says {expected}");
            return Err(Error::Config { file: self.names[*shard].clone(), reason });
        }
        Ok(())
    }

    /// Whether a GGUF file has a head of its own. llama.cpp then uses it, though a model's head is
    /// its embedding: the two may be quantised differently.
    pub(crate) fn head_in_gguf(&self) -> bool {
        let head = self.tensors.get("lm_head.weight");
        head.zip(self.gguf.as_ref()).is_some_and(|(head, (shard, _))| head.shard == *shard)
    }

    /// Names, shapes, formats and bytes of the tensors that are `wanted`, in the order of their names;
    /// their pages are let go of behind it.
    pub(crate) fn visit(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        mut visit: impl FnMut(&str, &[usize], &Format, &[u8]),
    ) {
        for (name, entry) in self.tensors.iter().filter(|(name, _)| wanted(name)) {
            let bytes = &self.shards[entry.shard];
            visit(name, &entry.shape, &entry.format, &bytes[entry.range.clone()]);
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
        match &options.parameters {
            Some(parameters) => {
                let weight = self.parameter(name, shape, parameters, options)?;
                Ok(Matrix::trained(weight, options.activations))
            }
            None => self.stored(name, shape)?.matrix(options),
        }
    }

    /// As [`matrix`](Self::matrix), for a matrix whose rows are looked up but that nothing is
    /// multiplied with: it is kept row by row.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn table(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Matrix> {
        match &options.parameters {
            Some(_) => self.matrix(name, shape, options),
            None => self.stored(name, shape)?.table(options),
        }
    }

    /// A tensor of `shape` in the format of [`LoadOptions::compute_dtype`], on the options' device: a
    /// norm, a bias, the context queries.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), and where the device fails.
    pub fn tensor(&self, name: &str, shape: &[usize], options: &LoadOptions) -> Result<Tensor> {
        match &options.parameters {
            Some(parameters) => self.parameter(name, shape, parameters, options),
            None => self.stored(name, shape)?.tensor(options),
        }
    }

    fn parameter(
        &self,
        name: &str,
        shape: &[usize],
        parameters: &Parameters,
        options: &LoadOptions,
    ) -> Result<Tensor> {
        let whole = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
        parameters.tensor(name, || self.stored(name, shape)?.tensor(&whole))
    }

    /// `options` as a stage of these weights needs them, everything that the stage loads: on the CPU as
    /// they are, elsewhere with one number format for all, which `auto` and `stored` take from the
    /// embedding.
    ///
    /// # Errors
    /// [`Error::QuantizedDevice`].
    pub fn settle(&self, options: &LoadOptions) -> Result<LoadOptions> {
        options.settled(match self.format(EMBEDDINGS) {
            Some(Format::BF16) => WeightDtype::Bf16,
            Some(Format::F16) => WeightDtype::F16,
            Some(Format::Blocks(kind)) => WeightDtype::Quantized(*kind),
            Some(Format::F32 | Format::I8 | Format::Other(_)) | None => WeightDtype::F32,
        })
    }

    /// The number format that a tensor is stored in.
    pub(crate) fn format(&self, name: &str) -> Option<&Format> {
        self.tensors.get(name).map(|entry| &entry.format)
    }

    /// Bytes of tensors that the program carries, and that stay in memory once they are read. Pages of
    /// a mapped file don't.
    pub fn carried_bytes(&self) -> u64 {
        let carried = |bytes: &&Bytes| matches!(bytes, Bytes::Static(_));
        self.shards.iter().filter(carried).map(|bytes| bytes.len() as u64).sum()
    }

    /// A tensor that must have this shape, still in its file.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<Stored> {
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
        let part = Part { file: self.shards[entry.shard].clone(), range: entry.range.clone() };
        let float = |dtype| Stored::Float(dtype, shape.to_vec(), part.clone());
        Ok(match &entry.format {
            Format::F32 => float(DType::F32),
            Format::F16 => float(DType::F16),
            Format::BF16 => float(DType::BF16),
            Format::Blocks(kind) if shape.len() == 2 => {
                let blocks = Blocks::new(*kind, [shape[0], shape[1]], Arc::new(part));
                Stored::Blocks(blocks.map_err(candle_core::Error::from)?)
            }
            Format::I8 if shape.len() == 2 => {
                let factors = self.stored(&format!("{name}{SCALE}"), &shape[..1])?;
                let factors = factors.tensor(&LoadOptions::default())?.to_vec1()?;
                Stored::Scaled(Scaled { width: shape[1], factors, part })
            }
            // Norms and biases are vectors, and nobody quantises them.
            other => {
                return Err(Error::TensorDtype {
                    name: name.into(),
                    file: file.clone(),
                    found: other.to_string(),
                });
            }
        })
    }
}
