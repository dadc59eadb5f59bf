//! The values of a tensor where they lie.

use std::ops::Range;

use candle_core::{Storage, StorageRef, Tensor};

use crate::{Error, check};

/// f32 values of a contiguous tensor on the CPU, read where they lie: a backward pass is given tensors,
/// and copies of them are most of its memory traffic.
pub(crate) struct Values<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Values<'a> {
    /// # Errors
    /// If the tensor is not contiguous, not f32 or not on the CPU.
    pub(crate) fn of(
        op: &'static str,
        name: &'static str,
        tensor: &'a Tensor,
    ) -> candle_core::Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let (begin, end) = check::contiguous_offsets(op, name, layout)?;
        let Storage::Cpu(values) = &*storage else {
            return Err(Error::Device { op, found: "another device" }.into());
        };
        let found = values.as_slice::<f32>()?.len();
        if found < end {
            return Err(Error::Length { op, name, expected: end, found }.into());
        }
        Ok(Self { storage, range: begin..end })
    }
}

impl std::ops::Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(candle_core::CpuStorage::F32(values)) => &values[self.range.clone()],
            // `of` lets no other through.
            _ => &[],
        }
    }
}
