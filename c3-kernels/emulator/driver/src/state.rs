//! The emulated device.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use c3_emulator::Memory;

/// Memory that the device says it has.
pub(crate) const TOTAL_MEMORY: usize = 16 << 30;
/// Shared memory of a block, unless its kernel asks for more.
pub(crate) const SHARED: u32 = 48 << 10;
/// The most shared memory that a kernel can ask for.
pub(crate) const SHARED_OPT_IN: u32 = 163 << 10;
/// Compute capability.
pub(crate) const CAPABILITY: (i32, i32) = (8, 0);

static MEMORY: LazyLock<RwLock<Memory>> = LazyLock::new(RwLock::default);
static USED: AtomicUsize = AtomicUsize::new(0);
static HANDLES: AtomicUsize = AtomicUsize::new(0x1000);

/// The device's memory, to be used.
pub(crate) fn memory() -> RwLockReadGuard<'static, Memory> {
    MEMORY.read().unwrap_or_else(PoisonError::into_inner)
}

/// The device's memory, to allocate and free in.
pub(crate) fn memory_mut() -> RwLockWriteGuard<'static, Memory> {
    MEMORY.write().unwrap_or_else(PoisonError::into_inner)
}

/// Counts bytes as taken, if there are so many.
pub(crate) fn take(bytes: usize) -> bool {
    let left = |used: usize| used.checked_add(bytes).filter(|&used| used <= TOTAL_MEMORY);
    USED.fetch_update(Relaxed, Relaxed, left).is_ok()
}

/// Counts bytes as given back.
pub(crate) fn give_back(bytes: usize) {
    USED.fetch_sub(bytes, Relaxed);
}

/// Bytes that are left.
pub(crate) fn free() -> usize {
    TOTAL_MEMORY - USED.load(Relaxed)
}

/// A handle that nothing else has.
pub(crate) fn handle() -> usize {
    HANDLES.fetch_add(1, Relaxed)
}
