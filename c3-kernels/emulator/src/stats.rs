//! What a launch did.

/// What a launch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Instructions, each counted once for its warp, guarded ones too.
    pub instructions: u64,
    /// Of these, `mma`.
    pub mma: u64,
    /// Bytes of global memory.
    pub global: Traffic,
}

/// Bytes of global memory that a launch read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes read, each as often as a thread asked for it.
    pub read: u64,
    /// Bytes written, each as often as a thread wrote it.
    pub written: u64,
    /// Different bytes read: what must come from memory at least once.
    pub distinct_read: u64,
    /// Different bytes written.
    pub distinct_written: u64,
}
