//! What operations ask of the tensors that they are given.

use candle_core::{DType, Layout, Tensor};

use crate::{Error, cuda};

/// # Errors
/// If the tensor has a dtype that isn't allowed.
pub(crate) fn dtype(
    op: &'static str,
    name: &'static str,
    tensor: &Tensor,
    expected: &'static str,
    allowed: &[DType],
) -> Result<(), Error> {
    match allowed.contains(&tensor.dtype()) {
        true => Ok(()),
        false => Err(Error::Dtype { op, name, expected, found: tensor.dtype() }),
    }
}

/// Checks for a type that kernels on the tensor's device compute in: f32, on CUDA f16 and bf16 too.
///
/// # Errors
/// If the tensor has another.
pub(crate) fn float(op: &'static str, name: &'static str, tensor: &Tensor) -> Result<(), Error> {
    let (expected, allowed) = match tensor.device().is_cuda() {
        true => cuda::DTYPES,
        false => ("F32", &[DType::F32][..]),
    };
    dtype(op, name, tensor, expected, allowed)
}

/// # Errors
/// If the tensor hasn't the type of `first`, which is one that kernels compute in.
pub(crate) fn same_dtype(
    op: &'static str,
    name: &'static str,
    tensor: &Tensor,
    first: &Tensor,
) -> Result<(), Error> {
    let expected = match first.dtype() {
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        _ => "F32",
    };
    dtype(op, name, tensor, expected, &[first.dtype()])
}

/// What an operation says to tensors on a device that it isn't written for.
pub(crate) fn refused<T>(op: &'static str, found: &'static str) -> candle_core::Result<T> {
    Err(Error::Device { op, found }.into())
}

/// The tensor's own values.
///
/// # Errors
/// If they aren't contiguous.
pub(crate) fn contiguous<'a, T>(
    op: &'static str,
    name: &'static str,
    values: &'a [T],
    layout: &Layout,
) -> Result<&'a [T], Error> {
    let (begin, end) = contiguous_offsets(op, name, layout)?;
    values.get(begin..end).ok_or(Error::Length { op, name, expected: end, found: values.len() })
}

/// Where the tensor's values begin and end in its memory.
///
/// # Errors
/// If they aren't contiguous.
pub(crate) fn contiguous_offsets(
    op: &'static str,
    name: &'static str,
    layout: &Layout,
) -> Result<(usize, usize), Error> {
    layout.contiguous_offsets().ok_or_else(|| Error::Layout {
        op,
        name,
        expected: "contiguous",
        shape: layout.dims().to_vec(),
        strides: layout.stride().to_vec(),
    })
}

/// The dimensions of x but the last, which must be `k`.
///
/// # Errors
/// If there is no last dimension, or it is another.
pub(crate) fn outer<'a>(op: &'static str, x: &'a Layout, k: usize) -> Result<&'a [usize], Error> {
    let Some((&last, outer)) = x.dims().split_last() else {
        let found = x.dims().to_vec();
        return Err(Error::Rank { op, name: "x", expected: "[.., k]", found });
    };
    if last != k {
        let (expected, found) = ([outer, &[k]].concat(), x.dims().to_vec());
        return Err(Error::Shape { op, name: "x", expected, found });
    }
    Ok(outer)
}

/// # Errors
/// If the bias isn't `[n]`.
pub(crate) fn bias(op: &'static str, layout: &Layout, n: usize) -> Result<(), Error> {
    match layout.dims() == [n] {
        true => Ok(()),
        false => {
            let (expected, found) = (vec![n], layout.dims().to_vec());
            Err(Error::Shape { op, name: "bias", expected, found })
        }
    }
}
