//! What operations ask of the tensors that they are given.

use candle_core::{DType, Layout, Tensor};

use crate::Error;

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
    let Some((begin, end)) = layout.contiguous_offsets() else {
        return Err(Error::Layout {
            op,
            name,
            expected: "contiguous",
            shape: layout.dims().to_vec(),
            strides: layout.stride().to_vec(),
        });
    };
    values.get(begin..end).ok_or(Error::Length { op, name, expected: end, found: values.len() })
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
