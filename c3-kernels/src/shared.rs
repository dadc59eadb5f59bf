//! Memory that the tasks of one operation write together.

/// Memory that tasks share; each writes its own part of it.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) *mut f32);

// SAFETY: a kernel's tasks write disjoint parts, and nobody reads before all are done.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The `index`-th value.
    pub(crate) fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}
