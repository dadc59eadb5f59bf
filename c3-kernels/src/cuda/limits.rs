//! Sizes as arguments of kernels.

use candle_core::DType;

use super::launch::Argument;
use crate::{Error, Result};

/// Bytes of an element.
///
/// # Errors
/// If kernels don't take the type.
pub(super) fn element(op: &'static str, name: &'static str, dtype: DType) -> Result<usize> {
    match dtype {
        DType::F32 => Ok(4),
        DType::F16 | DType::BF16 => Ok(2),
        found => Err(Error::Dtype { op, name, expected: "F32, F16 or BF16", found }),
    }
}

/// The size itself.
///
/// # Errors
/// If it is above `most`.
pub(super) fn at_most(
    op: &'static str,
    name: &'static str,
    size: usize,
    most: usize,
) -> Result<usize> {
    match size <= most {
        true => Ok(size),
        false => Err(Error::LaunchSize { op, name, found: size, most }),
    }
}

/// # Errors
/// If the size is no `int`.
pub(super) fn int(op: &'static str, name: &'static str, size: usize) -> Result<Argument> {
    at_most(op, name, size, i32::MAX as usize).map(|size| Argument::I32(size as i32))
}

/// # Errors
/// If the size is no `long long`.
pub(super) fn long(op: &'static str, name: &'static str, size: usize) -> Result<Argument> {
    at_most(op, name, size, i64::MAX as usize).map(|size| Argument::I64(size as i64))
}
