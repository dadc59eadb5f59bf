//! Memory of the device: buffers, and where they lie.

mod bits;
mod buffer;
mod table;
mod value;

pub(crate) use bits::Bits;
pub(crate) use buffer::{Access, Buffer};
pub(crate) use table::{LOCAL_WINDOW, MODULE_SLOTS, SHARED_WINDOW, Table, WINDOW};
pub use value::Value;

use crate::error::FaultKind;
use crate::{Error, Result, Space};

/// An address in the device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePtr(pub u64);

impl DevicePtr {
    /// The address so many bytes further on.
    pub fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

/// The memory of a device. Each buffer lies far from all others and its address is never used again,
/// so that every stray access is recognised.
#[derive(Debug)]
pub struct Memory {
    pub(crate) table: Table,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// A device with nothing in its memory.
    pub fn new() -> Self {
        Self { table: Table::new(table::MEMORY_SLOTS) }
    }

    /// A buffer with these values.
    pub fn alloc<T: Value>(&mut self, values: &[T]) -> DevicePtr {
        self.table.insert(Buffer::filled(&bytes_of(values), Access::ReadWrite))
    }

    /// A buffer with these values that kernels mustn't write.
    pub fn alloc_read_only<T: Value>(&mut self, values: &[T]) -> DevicePtr {
        self.table.insert(Buffer::filled(&bytes_of(values), Access::ReadOnly))
    }

    /// A buffer of so many bytes (less than 16 GiB) that nobody has written.
    pub fn alloc_uninit(&mut self, bytes: usize) -> DevicePtr {
        self.table.insert(Buffer::new(bytes, Access::ReadWrite))
    }

    /// Gives a buffer back.
    ///
    /// # Errors
    /// If `ptr` isn't where a buffer begins, or it was freed before.
    pub fn free(&mut self, ptr: DevicePtr) -> Result<()> {
        self.table.free(ptr).map_err(|what| Error::Host { address: ptr.0, bytes: 0, what })
    }

    /// Bytes from `ptr` to the end of its buffer.
    ///
    /// # Errors
    /// If `ptr` points into no buffer.
    pub fn len_from(&self, ptr: DevicePtr) -> Result<usize> {
        let found = self.table.locate(ptr.0, 0);
        let (_, buffer, offset) = found.map_err(|what| host(ptr, 0, what))?;
        Ok(buffer.size - offset)
    }

    /// The values from `ptr` to the end of its buffer.
    ///
    /// # Errors
    /// If `ptr` points into no buffer, or a byte has never been written.
    pub fn read<T: Value>(&self, ptr: DevicePtr) -> Result<Vec<T>> {
        let whole = self.len_from(ptr)? / T::SIZE * T::SIZE;
        let mut bytes = vec![0; whole];
        self.read_bytes(ptr, &mut bytes)?;
        Ok(bytes.chunks_exact(T::SIZE).map(T::read).collect())
    }

    /// Overwrites values from `ptr` on.
    ///
    /// # Errors
    /// If they don't all lie in one buffer.
    pub fn write<T: Value>(&self, ptr: DevicePtr, values: &[T]) -> Result<()> {
        self.write_bytes(ptr, &bytes_of(values))
    }

    /// Copies bytes to the host.
    ///
    /// # Errors
    /// If they don't all lie in one buffer, or one has never been written.
    pub fn read_bytes(&self, ptr: DevicePtr, bytes: &mut [u8]) -> Result<()> {
        let found = self.table.locate(ptr.0, bytes.len());
        let (_, buffer, offset) = found.map_err(|what| host(ptr, bytes.len(), what))?;
        if let Some(offset) = buffer.first_unwritten(offset, bytes.len()) {
            let what = FaultKind::Uninitialised { space: Space::Global, offset };
            return Err(host(ptr, bytes.len(), what));
        }
        buffer.copy_out(offset, bytes);
        Ok(())
    }

    /// Copies bytes from the host.
    ///
    /// # Errors
    /// If they don't all lie in one buffer.
    pub fn write_bytes(&self, ptr: DevicePtr, bytes: &[u8]) -> Result<()> {
        let found = self.table.locate(ptr.0, bytes.len());
        let (_, buffer, offset) = found.map_err(|what| host(ptr, bytes.len(), what))?;
        buffer.copy_in(offset, bytes);
        Ok(())
    }

    /// Copies bytes within the device; those that nobody has written stay so.
    ///
    /// # Errors
    /// If source or destination don't lie in one buffer each.
    pub fn copy(&self, to: DevicePtr, from: DevicePtr, bytes: usize) -> Result<()> {
        let locate =
            |ptr: DevicePtr| self.table.locate(ptr.0, bytes).map_err(|what| host(ptr, bytes, what));
        let ((_, source, start), (_, target, end)) = (locate(from)?, locate(to)?);
        let mut data = vec![0; bytes];
        source.copy_out(start, &mut data);
        let unwritten: Vec<usize> = match source.first_unwritten(start, bytes) {
            None => Vec::new(),
            Some(_) => {
                (0..bytes).filter(|i| source.first_unwritten(start + i, 1).is_some()).collect()
            }
        };
        target.copy_in(end, &data);
        if let Some(written) = &target.written {
            unwritten.iter().for_each(|i| written.clear(end + i, 1));
        }
        Ok(())
    }
}

fn host(ptr: DevicePtr, bytes: usize, what: FaultKind) -> Error {
    Error::Host { address: ptr.0, bytes, what }
}

fn bytes_of<T: Value>(values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * T::SIZE);
    values.iter().for_each(|value| value.write(&mut bytes));
    bytes
}
