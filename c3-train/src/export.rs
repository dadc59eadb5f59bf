//! Checkpoints in the authors' layout.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::f16;
use safetensors::View;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::io;
use crate::{Error, Result};

/// A tensor: name, shape, values.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// The folder of the encoder, and what the names of its tensors begin with among all parameters.
pub(crate) const ENCODER: &str = "llm1/";

/// How weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    #[default]
    F16,
    /// Matrices in 8 bits, with a factor for each row (`weight_scale`) that makes its largest value
    /// 127; vectors in 32-bit floats.
    Int8,
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Int8 => "int8",
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
    let mut views = Vec::new();
    for tensor in tensors {
        let (name, dims, values) = tensor;
        if dtype == Dtype::Int8 && dims.len() == 2 {
            let (whole, factors) = eighths(values, dims[1]);
            views.push((name.clone(), Values::Bytes(whole, dims)));
            views.push((format!("{name}_scale"), Values::F32(Cow::Owned(factors), &dims[..1])));
        } else if dtype == Dtype::F16 {
            views.push((name.clone(), Values::F16(values, dims)));
        } else {
            views.push((name.clone(), Values::F32(Cow::Borrowed(values), dims)));
        }
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    // It writes what the user alone may read, as temporary files are.
    let plain = fs::File::create(path).and_then(|file| file.metadata());
    let plain = plain.map_err(io(path, "creating"))?.permissions();
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|error| Error::State { path: path.into(), reason: error.to_string() })?;
    fs::set_permissions(path, plain).map_err(io(path, "allowing others to read"))
}

/// Rows of `width` values in 8 bits, and the factor of each.
fn eighths(values: &[f32], width: usize) -> (Vec<u8>, Vec<f32>) {
    let rows = values.chunks(width.max(1));
    let factor = |row: &[f32]| row.iter().fold(0f32, |most, x| most.max(x.abs())) / 127.0;
    let factors: Vec<f32> = rows.clone().map(factor).collect();
    let whole = |(row, &factor): (&[f32], &f32)| {
        let inverse = if factor > 0.0 { factor.recip() } else { 0.0 };
        row.iter().map(|x| (x * inverse).round() as i8 as u8).collect::<Vec<_>>()
    };
    (rows.zip(&factors).flat_map(whole).collect(), factors)
}

/// The values of a tensor and its shape.
enum Values<'a> {
    F32(Cow<'a, [f32]>, &'a [usize]),
    F16(&'a [f32], &'a [usize]),
    Bytes(Vec<u8>, &'a [usize]),
}

impl View for Values<'_> {
    fn dtype(&self) -> safetensors::Dtype {
        match self {
            Self::F32(..) => safetensors::Dtype::F32,
            Self::F16(..) => safetensors::Dtype::F16,
            Self::Bytes(..) => safetensors::Dtype::I8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(_, dims) | Self::F16(_, dims) | Self::Bytes(_, dims) => dims,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::F32(values, _) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16(values, _) => {
                values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
            }
            Self::Bytes(bytes, _) => Cow::Borrowed(bytes),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::F32(values, _) => 4 * values.len(),
            Self::F16(values, _) => 2 * values.len(),
            Self::Bytes(bytes, _) => bytes.len(),
        }
    }
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let json = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Syntax { path: path.into(), reason: error.to_string() })?;
    fs::write(path, json).map_err(io(path, "writing"))
}
