//! How a model is put into memory.

use std::fmt;
use std::str::FromStr;

use c3_kernels::{Activations, BlockType};
use candle_core::{DType, Device};

use crate::{Error, Parameters, Result};

/// The number format that weight matrices are kept in. On the CPU norms and biases are always f32,
/// and so is the arithmetic, but for quantised matrices: those multiply 8-bit values. Elsewhere all of
/// a model is in the one format of its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// bfloat16; on the CPU packed for its matrix instructions.
    Bf16,
    /// As the checkpoint has them. Quantised ones stay in their file, which is mapped; 8-bit ones with
    /// a factor for each row become 32-bit floats.
    Stored,
    /// bfloat16 where the checkpoint has that, which large ones do; quantised where it has that; else
    /// 32-bit floats.
    Auto,
    /// In blocks of this type, into which they are rounded when the model is loaded. A matrix whose
    /// rows are no whole number of blocks is kept as `q8_0`; if they aren't of those either, in f16.
    Quantized(BlockType),
}

/// `auto`, `f32`, `f16`, `bf16`, `stored`, or the name of a type of blocks: `q8_0`.
impl fmt::Display for WeightDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("f32"),
            Self::F16 => f.write_str("f16"),
            Self::Bf16 => f.write_str("bf16"),
            Self::Stored => f.write_str("stored"),
            Self::Auto => f.write_str("auto"),
            Self::Quantized(kind) => kind.fmt(f),
        }
    }
}

impl FromStr for WeightDtype {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let floats = [Self::Auto, Self::F32, Self::F16, Self::Bf16, Self::Stored];
        let mut all = floats.into_iter().chain(BlockType::ALL.map(Self::Quantized));
        all.clone().find(|dtype| dtype.to_string() == name).ok_or_else(|| {
            let first = all.next().map_or_else(String::new, |dtype| dtype.to_string());
            let known = all.fold(first, |known, dtype| format!("{known}, {dtype}"));
            Error::WeightDtype { found: name.into(), known }
        })
    }
}

/// Where and how a model is put into memory.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where it computes.
    pub device: Device,
    /// How its matrices are kept.
    pub dtype: WeightDtype,
    /// Whether what bf16 matrices are multiplied with is rounded to bf16 too.
    pub activations: Activations,
    /// Where the model is trained: its tensors are variables of these parameters, in f32,
    /// whatever `dtype` says; `activations` rounds products on the CPU, backward too.
    pub parameters: Option<Parameters>,
}

impl LoadOptions {
    /// The number format of all that is no weight matrix: f32 on the CPU, elsewhere the matrices' own.
    pub fn compute_dtype(&self) -> DType {
        match self.dtype {
            _ if self.device.is_cpu() || self.parameters.is_some() => DType::F32,
            WeightDtype::F16 => DType::F16,
            WeightDtype::Bf16 => DType::BF16,
            _ => DType::F32,
        }
    }

    /// These options for a model whose tensors' names get a prefix among the parameters.
    pub fn scoped(&self, prefix: &str) -> Self {
        let parameters = self.parameters.as_ref().map(|parameters| parameters.scoped(prefix));
        Self { parameters, ..self.clone() }
    }

    /// These options with one float format for all matrices, where the device can't multiply mixed
    /// ones: `stored` where that is left to the checkpoint.
    pub(crate) fn settled(&self, stored: WeightDtype) -> Result<Self> {
        let dtype = match self.dtype {
            dtype if self.device.is_cpu() || self.parameters.is_some() => dtype,
            WeightDtype::Auto | WeightDtype::Stored => stored,
            dtype => dtype,
        };
        match dtype {
            WeightDtype::Quantized(kind) if !self.device.is_cpu() => {
                Err(Error::QuantizedDevice { kind })
            }
            dtype => Ok(Self { dtype, ..self.clone() }),
        }
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: WeightDtype::F32,
            activations: Activations::F32,
            parameters: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockType, WeightDtype};

    #[test]
    fn names_come_back() {
        for name in ["auto", "f32", "f16", "bf16", "stored", "q4_k", "q8_0"] {
            assert_eq!(name.parse::<WeightDtype>().unwrap().to_string(), name);
        }
        assert_eq!("q6_k".parse::<WeightDtype>().unwrap(), WeightDtype::Quantized(BlockType::Q6K));
        let error = "int8".parse::<WeightDtype>().unwrap_err().to_string();
        assert!(error.contains("\"int8\"") && error.contains("stored, q2_k"), "{error}");
    }
}
