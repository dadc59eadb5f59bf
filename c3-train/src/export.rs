//! Checkpoints in the authors' layout.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::f16;
use safetensors::View;
use serde_json::Value;

use crate::error::io;
use crate::{Error, Result};

/// A tensor: name, shape, values.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// The folder of the encoder, and what the names of its tensors begin with among all parameters.
const ENCODER: &str = "llm1/";

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
        }
    }
}

/// Writes a checkpoint to the folder `to`: `tensors`, and all else as in the checkpoint `like`.
pub(crate) fn write(tensors: &[Named], like: &Path, to: &Path, dtype: Dtype) -> Result<()> {
    let encoder = to.join("llm1");
    fs::create_dir_all(&encoder).map_err(io(&encoder, "creating the folder"))?;
    for name in ["config.json", "llm1/config.json"] {
        let path = like.join(name);
        let bytes = fs::read(&path).map_err(io(&path, "reading"))?;
        let mut config: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Syntax { path, reason: error.to_string() })?;
        config["torch_dtype"] = dtype.name().into();
        write_json(&to.join(name), &config)?;
    }
    for name in ["tokenizer.json", "qwen.tiktoken", "generation_config.json"] {
        let path = like.join(name);
        if path.exists() {
            fs::copy(&path, to.join(name)).map_err(io(&path, "copying"))?;
        }
    }
    let is_encoder = |named: &&Named| named.0.starts_with(ENCODER);
    let stripped = |(name, dims, values): &Named| {
        let name = name.strip_prefix(ENCODER).unwrap_or(name).to_owned();
        (name, dims.clone(), values.clone())
    };
    let read: Vec<Named> = tensors.iter().filter(is_encoder).map(stripped).collect();
    let written: Vec<Named> = tensors.iter().filter(|named| !is_encoder(named)).cloned().collect();
    write_tensors(&encoder.join("model.safetensors"), &read, dtype)?;
    write_tensors(&to.join("model.safetensors"), &written, dtype)
}

/// The default bank's queries are also a bank of their own where there are several: that one is
/// trained, and this is what the default becomes.
pub(crate) fn copy_default_bank(tensors: &mut [Named], ratio: u32) {
    let name = format!("model.Q_banks.{ratio}.weight");
    let trained = tensors.iter().find(|named| named.0 == name).map(|named| named.2.clone());
    let default = tensors.iter_mut().find(|named| named.0 == "model.Q.weight");
    if let (Some(trained), Some(default)) = (trained, default)
        && trained.len() == default.2.len()
    {
        default.2 = trained;
    }
}

pub(crate) fn write_tensors(path: &Path, tensors: &[Named], dtype: Dtype) -> Result<()> {
    let views = tensors.iter().map(|tensor| (&tensor.0, Values { tensor, dtype }));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|error| Error::State { path: path.into(), reason: error.to_string() })
}

struct Values<'a> {
    tensor: &'a Named,
    dtype: Dtype,
}

impl View for Values<'_> {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::F16 => safetensors::Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = &self.tensor.2;
        Cow::Owned(match self.dtype {
            Dtype::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.tensor.2.len() * if self.dtype == Dtype::F32 { 4 } else { 2 }
    }
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let json = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Syntax { path: path.into(), reason: error.to_string() })?;
    fs::write(path, json).map_err(io(path, "writing"))
}
