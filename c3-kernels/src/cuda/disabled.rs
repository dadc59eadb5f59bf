//! What stands for the operations in a build without CUDA, where no tensor is on such a device.

use candle_core::{CudaStorage, DType, Layout};

use crate::attention::{Attention, AttentionShape};
use crate::check::refused;

type View<'a> = (&'a CudaStorage, &'a Layout);

pub(crate) fn attention(
    _: &AttentionShape,
    _: &Attention,
    _: [View<'_>; 3],
) -> candle_core::Result<CudaStorage> {
    refused("attention", "CUDA")
}

pub(crate) fn rope(_: View<'_>, _: View<'_>, _: View<'_>) -> candle_core::Result<CudaStorage> {
    refused("rope", "CUDA")
}

pub(crate) fn swiglu(_: View<'_>, _: usize, _: usize) -> candle_core::Result<CudaStorage> {
    refused("swiglu", "CUDA")
}

pub(crate) fn arg_max(_: View<'_>, _: usize, _: usize) -> candle_core::Result<Vec<(f32, u32)>> {
    refused("arg_max", "CUDA")
}

pub(crate) const DTYPES: (&str, &[DType]) = ("F32", &[DType::F32]);
