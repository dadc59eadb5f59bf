//! The patches of all segments, one column a tensor.

use super::index::{check_offsets, check_positive, narrow};
use super::layout::*;
use crate::segment::check_patches;
use crate::{Patch, Result};

/// Segment `i` has the patches `offsets[i]..offsets[i + 1]`; patch `p` has the bytes
/// `ends[p]..ends[p + 1]`.
pub(super) struct Patches {
    pub offsets: Vec<i64>,
    pub ends: Vec<i64>,
    pub starts: Vec<i32>,
    pub lengths: Vec<i32>,
    pub bytes: Vec<u8>,
}

impl Patches {
    pub fn new() -> Self {
        Self {
            offsets: vec![0],
            ends: vec![0],
            starts: Vec::new(),
            lengths: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// How many there are, and how many bytes they have; `None` where there are none.
    pub fn counts(&self) -> Option<(u64, u64)> {
        let count = self.starts.len() as u64;
        (count > 0).then_some((count, self.bytes.len() as u64))
    }

    /// Checks that a segment's patches can be written.
    pub fn fit(patches: &[Patch]) -> Result<()> {
        for patch in patches {
            narrow("the start of a patch", patch.start)?;
            narrow("the length of a patch", patch.length)?;
        }
        Ok(())
    }

    /// Adds the patches of the next segment, which fit.
    pub fn push(&mut self, patches: &[Patch]) {
        for patch in patches {
            self.starts.push(patch.start as i32);
            self.lengths.push(patch.length as i32);
            self.bytes.extend_from_slice(&patch.bytes);
            self.ends.push(self.bytes.len() as i64);
        }
        self.offsets.push(self.starts.len() as i64);
    }

    /// Checks every number, so that all may be used afterwards.
    pub fn check(&self) -> Result<()> {
        check_offsets(PATCH_OFFSETS, &self.offsets, self.starts.len() as u64)?;
        check_offsets(PATCH_ENDS, &self.ends, self.bytes.len() as u64)?;
        check_positive(PATCH_STARTS, &self.starts)?;
        check_positive(PATCH_LENGTHS, &self.lengths)?;
        (0..self.offsets.len() - 1).try_for_each(|segment| {
            let places =
                self.range(segment).map(|p| (self.starts[p] as u32, self.lengths[p] as u32));
            check_patches(segment, places)
        })
    }

    /// Numbers of a segment's patches; none where the file has none.
    pub fn range(&self, segment: usize) -> std::ops::Range<usize> {
        match self.offsets.get(segment..segment + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        }
    }

    /// A segment's patches.
    pub fn of(&self, segment: usize) -> Vec<Patch> {
        let patch = |p: usize| Patch {
            start: self.starts[p] as u32,
            length: self.lengths[p] as u32,
            bytes: self.bytes[self.ends[p] as usize..self.ends[p + 1] as usize].to_vec(),
        };
        self.range(segment).map(patch).collect()
    }
}
