//! Some bytes of the source text, and the segments that they are in.

use std::ops::Range;

use anyhow::bail;
use c3_core::{ByteSource, LatentFile, SegmentSource};

/// The segments that hold these bytes of the source.
pub fn covering<S: ByteSource>(
    file: &LatentFile<S>,
    bytes: &Range<u64>,
) -> anyhow::Result<Range<usize>> {
    let length = file.source().bytes;
    if bytes.end > length {
        let Range { start, end } = bytes;
        bail!("bytes {start}..{end} were asked for, but the text has {length}");
    }
    let first = partition(file, |segment| segment.end <= bytes.start)?;
    let end = partition(file, |segment| segment.start < bytes.end)?;
    Ok(first..end)
}

/// The number of segments at the start of the text for which `holds`.
fn partition<S: ByteSource>(
    file: &LatentFile<S>,
    holds: impl Fn(&Range<u64>) -> bool,
) -> anyhow::Result<usize> {
    let (mut low, mut high) = (0, file.segment_count());
    while low < high {
        let middle = low + (high - low) / 2;
        match holds(&file.segment_info(middle)?.bytes) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

/// Cuts what segments decode to down to some bytes of the source. Where a segment differs from its
/// source, that is as near as can be told: its bytes are counted from its start.
pub struct Cut {
    bytes: Range<u64>,
    segment: usize,
    /// Bytes of the segment that have come.
    come: u64,
}

impl Cut {
    pub fn new(bytes: Range<u64>) -> Self {
        Self { bytes, segment: usize::MAX, come: 0 }
    }

    /// What is wanted of the next piece of a segment that stands at `place` in the source.
    pub fn part<'t>(&mut self, segment: usize, place: &Range<u64>, piece: &'t [u8]) -> &'t [u8] {
        if segment != self.segment {
            (self.segment, self.come) = (segment, 0);
        }
        let start = self.come;
        self.come += piece.len() as u64;
        let from = self.bytes.start.saturating_sub(place.start);
        // A segment that goes on beyond the asked bytes is cut; one within them comes whole.
        let to = if place.end > self.bytes.end { self.bytes.end - place.start } else { u64::MAX };
        let within = |at: u64| (at.saturating_sub(start) as usize).min(piece.len());
        &piece[within(from)..within(to).max(within(from))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_to_what_was_asked() {
        let segments = [(0, 0..5, &[&b"hel"[..], b"lo"][..]), (1, 5..11, &[b" world"])];
        let text = b"hello world";
        for start in 0..11u64 {
            for end in start + 1..=11 {
                let mut cut = Cut::new(start..end);
                let mut out = Vec::new();
                for (number, place, pieces) in &segments {
                    if place.end > start && place.start < end {
                        for piece in *pieces {
                            out.extend_from_slice(cut.part(*number, place, piece));
                        }
                    }
                }
                assert_eq!(out, text[start as usize..end as usize], "{start}..{end}");
            }
        }
    }
}
