//! What the C library does with memory that is freed.

/// Keeps freed memory for the next allocation. By default glibc gives large pieces back to the system
/// at once, which then clears each page of the next one: a step of training makes and frees hundreds of
/// megabytes, and took 1.4 times as long. Not for commands whose memory is predicted: what is kept is
/// in pieces, and peaks are up to 15% higher.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory() {
    // Beyond a gigabyte an allocation is weights, which stay.
    const LARGE: i32 = 1 << 30;
    // SAFETY: they only set parameters. Where the library refuses one, nothing is lost but time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        // Other threads' arenas give memory back whatever is set.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Other systems' libraries decide for themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_memory() {}
