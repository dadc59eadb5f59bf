//! How a model is put into memory.

use c3_kernels::{Activations, BlockType};
use candle_core::Device;

/// The number format that weight matrices are kept in. Norms and biases are always f32, and so is
/// the arithmetic, but for quantised matrices: those multiply 8-bit values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// bfloat16; on the CPU packed for its matrix instructions.
    Bf16,
    /// As the checkpoint has them. Quantised ones stay in their file, which is mapped.
    Stored,
    /// bfloat16 where the checkpoint has that, which large ones do; quantised where it has that; else
    /// 32-bit floats.
    Auto,
    /// In blocks of this type, into which they are rounded when the model is loaded. A matrix whose
    /// rows are no whole number of blocks is kept as `q8_0`; if they aren't of those either, in f16.
    Quantized(BlockType),
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
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { device: Device::Cpu, dtype: WeightDtype::F32, activations: Activations::F32 }
    }
}
