//! Sizes as arguments of kernels.

use candle_core::DType;

use super::launch::Argument;
use crate::{Error, Result};

/// The oldest devices that the kernels run on.
#[cfg(any(feature = "cuda", test))]
const ARCHITECTURE: (i32, i32) = (8, 0);

/// # Errors
/// If a device of this compute capability is too old for the kernels.
#[cfg(any(feature = "cuda", test))]
pub(super) fn new_enough(op: &'static str, found: (i32, i32)) -> Result<()> {
    match found >= ARCHITECTURE {
        true => Ok(()),
        false => Err(Error::Architecture { op, found, least: ARCHITECTURE }),
    }
}

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

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn devices_before_8_0_are_refused_with_the_numbers() {
        for found in [(8, 0), (8, 9), (9, 0), (12, 0)] {
            new_enough("rope", found).unwrap();
        }
        for (found, says) in [((7, 5), "7.5"), ((6, 1), "6.1"), ((0, 0), "0.0")] {
            let error = new_enough("rope", found).unwrap_err().to_string();
            let expected = format!(
                "rope: the CUDA device has compute capability {says}, kernels need 8.0 or above"
            );
            assert_eq!(error, expected);
        }
    }
}
