//! Memory for packed weights.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// A huge page: gigabytes that are read from end to end want few entries of the TLB.
const ALIGN: usize = 2 << 20;

/// Numbers of 16 bits, aligned for tiles and, where there are many, to huge pages.
pub(super) struct Buffer {
    start: NonNull<u16>,
    layout: Layout,
}

// SAFETY: it owns its memory, like a `Box<[u16]>`.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Zeros; the system gives the memory when it is first written. `None` where no memory can be
    /// that large.
    pub(super) fn zeros(len: usize) -> Option<Self> {
        // SAFETY: `of` asks for some bytes.
        Self::of(len, |layout| unsafe { alloc_zeroed(layout) })
    }

    /// Room for numbers, all of which are to be written before any is read.
    pub(super) fn room(len: usize) -> Option<Self> {
        // SAFETY: as above.
        Self::of(len, |layout| unsafe { alloc(layout) })
    }

    fn of(len: usize, allocate: impl FnOnce(Layout) -> *mut u8) -> Option<Self> {
        let bytes = len.checked_mul(size_of::<u16>())?;
        let align = if bytes >= ALIGN { ALIGN } else { 64 };
        let layout = Layout::from_size_align(bytes.max(align), align).ok()?;
        let Some(start) = NonNull::new(allocate(layout)) else { handle_alloc_error(layout) };
        prefer_huge_pages(start.as_ptr(), bytes);
        Some(Self { start: start.cast(), layout })
    }

    pub(super) fn as_ptr(&self) -> *const u16 {
        self.start.as_ptr()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut u16 {
        self.start.as_ptr()
    }

    pub(super) fn bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `of` with this layout.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

/// Tells Linux, before some memory is first written, that it will be used as a whole: it then comes
/// two megabytes at a time instead of four kilobytes. A hint: where it isn't taken, nothing is lost
/// but a little speed.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) fn prefer_huge_pages(start: *const u8, bytes: usize) {
    const MADVISE: usize = 28;
    const MADV_HUGEPAGE: usize = 14;
    let end = (start as usize).saturating_add(bytes) / ALIGN * ALIGN;
    let start = (start as usize).next_multiple_of(ALIGN);
    if start >= end {
        return;
    }
    // SAFETY: the system call changes no value of the memory, whoever has it.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") MADVISE => _, in("rdi") start,
            in("rsi") end - start, in("rdx") MADV_HUGEPAGE, out("rcx") _, out("r11") _,
            options(nostack));
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) fn prefer_huge_pages(_: *const u8, _: usize) {}
