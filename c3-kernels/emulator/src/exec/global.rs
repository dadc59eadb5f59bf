//! Global memory as a kernel sees it: the device's buffers, the module's variables, and how many bytes
//! pass.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::{FaultKind, Space};
use crate::memory::{Access, Bits, Buffer, Table};
use crate::{Options, Traffic};

/// Everything that global addresses may mean during one launch.
pub(super) struct Global<'a> {
    memory: &'a Table,
    variables: &'a Table,
    uninitialised: bool,
    /// Which bytes of each buffer have been read, and which written, made when first needed; empty if
    /// nobody wants to know.
    touched: Vec<[OnceLock<Bits>; 2]>,
    read: AtomicU64,
    written: AtomicU64,
}

/// Where an access lies.
pub(super) struct Place<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: usize,
}

impl<'a> Global<'a> {
    pub(super) fn new(memory: &'a Table, variables: &'a Table, options: &Options) -> Self {
        let &Options { uninitialised, traffic, .. } = options;
        let counted = if traffic { memory.len() } else { 0 };
        let touched = (0..counted).map(|_| [OnceLock::new(), OnceLock::new()]).collect();
        let (read, written) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { memory, variables, uninitialised, touched, read, written }
    }

    fn locate(&self, address: u64, bytes: usize) -> Result<(Option<usize>, Place<'a>), FaultKind> {
        if !address.is_multiple_of(bytes as u64) {
            return Err(FaultKind::Misaligned { space: Space::Global, address, bytes });
        }
        match self.memory.locate(address, bytes) {
            Ok((index, buffer, offset)) => Ok((Some(index), Place { buffer, offset })),
            Err(FaultKind::Unmapped { .. }) => {
                let (_, buffer, offset) = self.variables.locate(address, bytes)?;
                Ok((None, Place { buffer, offset }))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Checks and counts a read.
    pub(super) fn read(&self, address: u64, bytes: usize) -> Result<Place<'a>, FaultKind> {
        let (index, place) = self.locate(address, bytes)?;
        if self.uninitialised
            && let Some(offset) = place.buffer.first_unwritten(place.offset, bytes)
        {
            return Err(FaultKind::Uninitialised { space: Space::Global, offset });
        }
        self.touch(index, 0, &place, bytes);
        Ok(place)
    }

    /// Checks and counts a write.
    pub(super) fn write(&self, address: u64, bytes: usize) -> Result<Place<'a>, FaultKind> {
        let (index, place) = self.locate(address, bytes)?;
        if place.buffer.access == Access::ReadOnly {
            return Err(FaultKind::ReadOnly { address });
        }
        place.buffer.mark_written(place.offset, bytes);
        self.touch(index, 1, &place, bytes);
        Ok(place)
    }

    fn touch(&self, index: Option<usize>, which: usize, place: &Place<'_>, bytes: usize) {
        if let Some(touched) = index.and_then(|index| self.touched.get(index)) {
            touched[which].get_or_init(|| Bits::new(place.buffer.size)).set(place.offset, bytes);
        }
    }

    /// Adds what a block has requested.
    pub(super) fn count(&self, read: u64, written: u64) {
        self.read.fetch_add(read, Relaxed);
        self.written.fetch_add(written, Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        let distinct = |which: usize| {
            self.touched.iter().filter_map(|bits| bits[which].get()).map(Bits::count).sum()
        };
        Traffic {
            read: self.read.load(Relaxed),
            written: self.written.load(Relaxed),
            distinct_read: distinct(0),
            distinct_written: distinct(1),
        }
    }
}
