//! Where buffers lie: each has 16 GiB of addresses to itself.

use super::{Access, Buffer, DevicePtr};
use crate::Space;
use crate::error::FaultKind;

/// Addresses of each buffer.
const SLOT_BITS: u32 = 34;
/// A buffer begins this far into its addresses, so that an access before it is recognised.
const MARGIN: u64 = 1 << 20;
/// Generic addresses of shared memory begin here.
pub(crate) const SHARED_WINDOW: u64 = 2 << SLOT_BITS;
/// Generic addresses of local memory begin here.
pub(crate) const LOCAL_WINDOW: u64 = 3 << SLOT_BITS;
/// How many addresses each of them has.
pub(crate) const WINDOW: u64 = 1 << SLOT_BITS;
/// The first slot of buffers that the host allocates.
pub(super) const MEMORY_SLOTS: u64 = 1 << 10;
/// The first slot of a module's variables.
pub(crate) const MODULE_SLOTS: u64 = 1 << 28;

/// Buffers in neighbouring slots.
#[derive(Debug)]
pub(crate) struct Table {
    first: u64,
    buffers: Vec<Buffer>,
}

impl Table {
    pub(crate) fn new(first: u64) -> Self {
        Self { first, buffers: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffers.len()
    }

    pub(crate) fn insert(&mut self, buffer: Buffer) -> DevicePtr {
        self.buffers.push(buffer);
        DevicePtr(self.base(self.buffers.len() - 1))
    }

    pub(crate) fn free(&mut self, ptr: DevicePtr) -> Result<(), FaultKind> {
        let unmapped = FaultKind::Unmapped { address: ptr.0, bytes: 0 };
        let index = self.index(ptr.0).ok_or(unmapped.clone())?;
        match (ptr.0 == self.base(index), self.buffers[index].access) {
            (_, Access::Freed) => Err(FaultKind::Freed { address: ptr.0 }),
            (false, _) => Err(unmapped),
            (true, _) => {
                self.buffers[index].free();
                Ok(())
            }
        }
    }

    fn base(&self, index: usize) -> u64 {
        ((self.first + index as u64) << SLOT_BITS) + MARGIN
    }

    fn index(&self, address: u64) -> Option<usize> {
        let index = (address >> SLOT_BITS).checked_sub(self.first)? as usize;
        (index < self.buffers.len()).then_some(index)
    }

    /// The buffer, by number, that holds all of these bytes, and where in it they begin.
    #[inline]
    pub(crate) fn locate(
        &self,
        address: u64,
        bytes: usize,
    ) -> Result<(usize, &Buffer, usize), FaultKind> {
        let index = self.index(address).ok_or(FaultKind::Unmapped { address, bytes })?;
        let buffer = &self.buffers[index];
        if buffer.access == Access::Freed {
            return Err(FaultKind::Freed { address });
        }
        let offset = address.wrapping_sub(self.base(index)) as i64;
        match offset >= 0 && offset as usize + bytes <= buffer.size {
            true => Ok((index, buffer, offset as usize)),
            false => {
                let (space, size) = (Space::Global, buffer.size);
                Err(FaultKind::OutOfBounds { space, offset, bytes, size })
            }
        }
    }
}
