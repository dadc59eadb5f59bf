//! One allocation of device memory.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::Bits;

/// Whether a buffer can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
    Freed,
}

/// Bytes that the threads of a kernel read and write at once.
///
/// Kernels may race, which must not be undefined behaviour here: every access is a relaxed atomic one.
#[derive(Debug)]
pub(crate) struct Buffer {
    words: Box<[UnsafeCell<u64>]>,
    pub(crate) size: usize,
    pub(crate) access: Access,
    /// Which bytes have been written; all of them if absent.
    pub(crate) written: Option<Bits>,
}

// SAFETY: the words are only touched through atomics.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub(crate) fn new(size: usize, access: Access) -> Self {
        let words = (0..size.div_ceil(8)).map(|_| UnsafeCell::new(0)).collect();
        Self { words, size, access, written: Some(Bits::new(size)) }
    }

    pub(crate) fn filled(bytes: &[u8], access: Access) -> Self {
        let mut buffer = Self::new(bytes.len(), access);
        buffer.copy_in(0, bytes);
        buffer.written = None;
        buffer
    }

    /// Gives the memory back; accesses are recognised from then on.
    pub(crate) fn free(&mut self) {
        (self.words, self.access, self.written) = (Box::default(), Access::Freed, None);
    }

    fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(offset + bytes <= self.words.len() * 8 && offset.is_multiple_of(bytes));
        // SAFETY: it lies in the words.
        unsafe { self.words.as_ptr().cast::<u8>().cast_mut().add(offset) }
    }

    /// 1, 2, 4 or 8 bytes at a multiple of their number.
    #[inline]
    pub(crate) fn load(&self, offset: usize, bytes: usize) -> u64 {
        let at = self.at(offset, bytes);
        // SAFETY: `at` is valid, aligned, and only touched through atomics.
        unsafe {
            match bytes {
                1 => u64::from(AtomicU8::from_ptr(at).load(Relaxed)),
                2 => u64::from(AtomicU16::from_ptr(at.cast()).load(Relaxed)),
                4 => u64::from(AtomicU32::from_ptr(at.cast()).load(Relaxed)),
                _ => AtomicU64::from_ptr(at.cast()).load(Relaxed),
            }
        }
    }

    /// Stores 1, 2, 4 or 8 bytes at a multiple of their number.
    #[inline]
    pub(crate) fn store(&self, offset: usize, bytes: usize, value: u64) {
        let at = self.at(offset, bytes);
        // SAFETY: as in `load`.
        unsafe {
            match bytes {
                1 => AtomicU8::from_ptr(at).store(value as u8, Relaxed),
                2 => AtomicU16::from_ptr(at.cast()).store(value as u16, Relaxed),
                4 => AtomicU32::from_ptr(at.cast()).store(value as u32, Relaxed),
                _ => AtomicU64::from_ptr(at.cast()).store(value, Relaxed),
            }
        }
    }

    /// Replaces 2, 4 or 8 bytes at once by what `change` makes of them, and returns what they were.
    pub(crate) fn update(&self, offset: usize, bytes: usize, change: impl Fn(u64) -> u64) -> u64 {
        let at = self.at(offset, bytes);
        // SAFETY: as in `load`.
        unsafe {
            match bytes {
                2 => u64::from(
                    AtomicU16::from_ptr(at.cast())
                        .update(Relaxed, Relaxed, |x| change(u64::from(x)) as u16),
                ),
                4 => u64::from(
                    AtomicU32::from_ptr(at.cast())
                        .update(Relaxed, Relaxed, |x| change(u64::from(x)) as u32),
                ),
                _ => AtomicU64::from_ptr(at.cast()).update(Relaxed, Relaxed, change),
            }
        }
    }

    /// Copies bytes from the host.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (i, &byte) in bytes.iter().enumerate() {
            self.store(offset + i, 1, u64::from(byte));
        }
        self.mark_written(offset, bytes.len());
    }

    /// Copies bytes to the host.
    pub(crate) fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = self.load(offset + i, 1) as u8;
        }
    }

    #[inline]
    pub(crate) fn mark_written(&self, offset: usize, bytes: usize) {
        if let Some(written) = &self.written {
            written.set(offset, bytes);
        }
    }

    /// The first of these bytes that nobody has written.
    #[inline]
    pub(crate) fn first_unwritten(&self, offset: usize, bytes: usize) -> Option<usize> {
        self.written.as_ref().and_then(|written| written.first_unset(offset, bytes))
    }
}
