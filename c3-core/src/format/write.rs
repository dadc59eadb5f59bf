//! Writing a `.c3` file while its segments are being made.

use std::io::{self, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::xxh3_64;

use super::header::to_json;
use super::index::Index;
use super::layout::Dims;
use super::payload::PayloadHasher;
use super::{LENGTH, MAX_HEADER, metadata};
use crate::context::check_segment;
use crate::{Error, Provenance, Result, Segment, Sha256Digest, SourceDigest, SourceHasher};

/// Writes a `.c3` file segment by segment.
///
/// Latents go out as they come; about 60 bytes a segment (and 8 a correction) stay in memory until
/// [`finish`](Self::finish) writes them. Text that is kept as text waits in memory up to a megabyte,
/// then in a temporary file. The header, which needs their number, is written last,
/// into room that was left for it: a file that was never finished starts with zeros and is refused.
/// The same input gives the same bytes.
pub struct LatentWriter<W> {
    out: W,
    start: u64,
    header: usize, // bytes left for it, the length field not counted
    provenance: Provenance,
    end: u64, // of the source text, as far as it was pushed
    rows: u64,
    index: Index,
    verbatim: SpooledTempFile,
    failed: bool,
}

/// Bytes of text that is kept as text beyond which it waits in a file.
const SPOOL: usize = 1 << 20;

impl<W: Write + Seek> LatentWriter<W> {
    /// Starts a file where `out` stands, which is to be empty from there on.
    ///
    /// # Errors
    /// [`Error::ReservedMetadata`] where `provenance.extra` holds a name that the format itself
    /// writes, [`Error::ZeroWidth`], [`Error::HeaderTooLong`], or [`Error::Write`].
    pub fn new(mut out: W, provenance: Provenance) -> Result<Self> {
        metadata::check(&provenance)?;
        let header = reserved(&provenance)?;
        let start = out.stream_position().map_err(Error::Write)?;
        let room = vec![0; LENGTH as usize + header];
        out.write_all(&room).map_err(Error::Write)?;
        let (index, verbatim) = (Index::new(), SpooledTempFile::new(SPOOL));
        let (end, rows, failed) = (0, 0, false);
        Ok(Self { out, start, header, provenance, end, rows, index, verbatim, failed })
    }

    /// Adds the next segment of the text.
    ///
    /// # Errors
    /// As [`LatentContext::new`](crate::LatentContext::new) where it doesn't fit, and
    /// [`Error::TooLarge`]: nothing was added then. [`Error::Write`], after which nothing more can
    /// be added.
    pub fn push(&mut self, segment: &Segment) -> Result<()> {
        if self.failed {
            return Err(Error::WriterFailed);
        }
        let end = check_segment(&self.provenance, self.index.segments(), self.end, segment)?;
        let latents = segment.latents.as_le_bytes();
        self.index.push(segment, xxh3_64(latents))?;
        self.end = end;
        self.rows += segment.latents.rows() as u64;
        let text = segment.text.as_deref().unwrap_or_default();
        let written = self.out.write_all(latents).and_then(|()| self.verbatim.write_all(text));
        written.map_err(|error| {
            self.failed = true;
            Error::Write(error)
        })
    }

    /// As [`finish`](Self::finish), and keeps in the metadata what the source's hash can be continued
    /// from, so that text can be appended: the last bytes of the text, up to 63, are legible there.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_appendable(mut self, source: SourceHasher) -> Result<W> {
        metadata::keep_state(&mut self.provenance, &source);
        self.finish(source.finish())
    }

    /// Writes the index and the header, flushes, and gives the output back, positioned at the
    /// file's end.
    ///
    /// # Errors
    /// [`Error::SegmentGap`] where the segments end elsewhere than the text, [`Error::Write`], or
    /// [`Error::WriterFailed`] after a failed [`push`](Self::push).
    pub fn finish(mut self, source: SourceDigest) -> Result<W> {
        if self.failed {
            return Err(Error::WriterFailed);
        }
        if self.end != source.bytes {
            let (segment, expected) = (self.index.segments(), self.end);
            return Err(Error::SegmentGap { segment, expected, found: source.bytes });
        }
        let dims = Dims {
            dtype: self.provenance.dtype,
            rows: self.rows,
            dim: self.provenance.dim as u64,
            segments: self.index.segments() as u64,
            near_ties: self.index.near_ties.says_something(),
            corrections: self.index.corrections(),
            patches: self.index.patches.counts(),
            verbatim: self.index.verbatim(),
        };
        let header = |hash| -> Result<Vec<u8>> {
            let strings = metadata::strings(&self.provenance, source, hash);
            let mut json = to_json(&strings, &dims.entries())?;
            debug_assert!(json.len() <= self.header, "the header has outgrown its room");
            json.resize(self.header, b' ');
            Ok(json)
        };

        let mut hasher = PayloadHasher::new(&header(0)?, None)?;
        for place in dims.index() {
            let bytes = self.index.to_le_bytes(place.name);
            hasher.update(&bytes);
            self.out.write_all(&bytes).map_err(Error::Write)?;
        }
        self.verbatim.rewind().map_err(Error::Write)?;
        io::copy(&mut self.verbatim, &mut self.out).map_err(Error::Write)?;
        let header = header(hasher.finish())?;
        let out = &mut self.out;
        let end = out.stream_position().map_err(Error::Write)?;
        out.seek(SeekFrom::Start(self.start)).map_err(Error::Write)?;
        out.write_all(&(header.len() as u64).to_le_bytes()).map_err(Error::Write)?;
        out.write_all(&header).map_err(Error::Write)?;
        out.seek(SeekFrom::Start(end)).map_err(Error::Write)?;
        out.flush().map_err(Error::Write)?;
        Ok(self.out)
    }
}

/// Bytes that the header may come to need: the header of the largest file that could be, with
/// every number at its longest.
fn reserved(provenance: &Provenance) -> Result<usize> {
    let largest = Dims {
        dtype: provenance.dtype,
        rows: u64::MAX,
        dim: provenance.dim as u64,
        segments: u64::MAX,
        near_ties: true,
        corrections: Some(u64::MAX),
        patches: Some((u64::MAX, u64::MAX)),
        verbatim: Some(u64::MAX),
    };
    let source = SourceDigest { bytes: u64::MAX, sha256: Sha256Digest([0; 32]) };
    let mut provenance = provenance.clone();
    metadata::keep_state(&mut provenance, &SourceHasher::new());
    let json = to_json(&metadata::strings(&provenance, source, 0), &largest.entries())?;
    let length = json.len().next_multiple_of(LENGTH as usize);
    if length as u64 > MAX_HEADER {
        return Err(Error::HeaderTooLong { limit: MAX_HEADER, found: length as u64 });
    }
    Ok(length)
}
