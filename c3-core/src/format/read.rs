//! Reading a `.c3` file, whole or one segment at a time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::header::Header;
use super::index::Index;
use super::layout::{Dims, Place, VERBATIM_TEXT};
use super::payload::{self, PayloadHasher};
use super::source::{ByteSource, FileSource};
use super::version::FormatVersion;
use super::{LENGTH, MAX_HEADER, metadata};
use crate::segment::check_verbatim;
use crate::{
    CompressionRatio, Dtype, Error, Fidelity, LatentContext, LatentTokens, Provenance, Result,
    Segment, SegmentSource, SourceDigest, SourceHasher,
};

/// An open `.c3` file.
///
/// Opening reads the header and the index and checks all of them; latents stay where they are until
/// their segment is asked for, and are checked then. Memory: the header and about 60 bytes a
/// segment, never more than a few times what the file holds.
pub struct LatentFile<S: ByteSource = FileSource> {
    bytes: S,
    version: FormatVersion,
    metadata: BTreeMap<String, String>,
    provenance: Provenance,
    source: SourceDigest,
    dtype: Dtype,
    layout: FileLayout,
    index: Index,
}

/// Which bytes of a file hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// The header's length, its JSON and its padding.
    pub header: Range<u64>,
    /// The latents of all segments.
    pub latents: Range<u64>,
    /// What is known of the segments beside their latents.
    pub index: Range<u64>,
    /// The segments that are kept as text.
    pub verbatim: Range<u64>,
}

/// A segment without its latents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Where it stands in the source text, in bytes.
    pub bytes: Range<u64>,
    /// Its length in the encoder's tokens.
    pub text_tokens: u32,
    /// Its rows among the latents of the file.
    pub latents: Range<u64>,
    /// [`segment_hash`](crate::segment_hash) of its source bytes.
    pub hash: u64,
    /// What is known about how it will come back.
    pub fidelity: Fidelity,
}

impl LatentFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// As [`from_source`](Self::from_source), [`Error::Path`], or [`Error::IsDirectory`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_source(FileSource::open(path)?)
    }
}

impl LatentFile<Vec<u8>> {
    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// As [`from_source`](Self::from_source).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::from_source(bytes)
    }
}

impl<S: ByteSource> LatentFile<S> {
    /// Opens a file wherever its bytes are.
    ///
    /// # Errors
    /// An error of its own for each thing that can be wrong with header and index, from
    /// [`Error::Truncated`] to [`Error::PayloadHash`]; [`Error::Read`] where bytes can't be had.
    pub fn from_source(bytes: S) -> Result<Self> {
        let raw = read_header(&bytes)?;
        let header = Header::parse(&raw)?;
        let version = metadata::version(&header.metadata)?;
        let (dims, places) = Dims::check(&header.tensors)?;
        let layout = FileLayout::check(raw.len() as u64, &places, bytes.len())?;

        let expected = metadata::payload_hash(&header.metadata)?;
        let mut hasher = PayloadHasher::new(&raw, Some(expected))?;
        let mut index = Index::read(&dims.index(), &mut hasher, |place| {
            // The layout was checked against the file's length: neither overflows it.
            let start = layout.latents.start + place.range.start;
            read(&bytes, start..layout.latents.start + place.range.end)
        })?;
        let found = payload::value(hasher.finish());
        if found != expected {
            return Err(Error::PayloadHash { expected: expected.to_owned(), found });
        }

        let (provenance, source) = metadata::read(&header.metadata, dims.dim, dims.dtype)?;
        index.check(&dims, source.bytes)?;
        index.near_ties.assume(version);
        let (metadata, dtype) = (header.metadata, dims.dtype);
        Ok(Self { bytes, version, metadata, provenance, source, dtype, layout, index })
    }

    /// The version of the format that it was written in.
    pub fn version(&self) -> FormatVersion {
        self.version
    }

    /// All of its metadata, as it stands in the file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// A hasher that goes on after the source text, for appending to it; `None` where the file doesn't
    /// have what that takes.
    pub fn source_hasher(&self) -> Option<SourceHasher> {
        metadata::resume(&self.metadata, self.source)
    }

    /// Which of its bytes hold what.
    pub fn layout(&self) -> &FileLayout {
        &self.layout
    }

    /// A segment without its latents; nothing is read.
    ///
    /// # Errors
    /// [`Error::NoSuchSegment`].
    pub fn segment_info(&self, index: usize) -> Result<SegmentInfo> {
        let count = self.index.segments();
        if index >= count {
            return Err(Error::NoSuchSegment { index, count });
        }
        let range = |offsets: &[i64]| offsets[index] as u64..offsets[index + 1] as u64;
        Ok(SegmentInfo {
            bytes: range(&self.index.bytes),
            text_tokens: self.index.tokens[index] as u32,
            latents: range(&self.index.latents),
            hash: self.index.hash[index],
            fidelity: self.index.fidelity(index),
        })
    }

    /// The text of a segment that is kept as text.
    fn verbatim(&self, index: usize) -> Result<Option<Vec<u8>>> {
        let Some(place) = self.index.verbatim_of(index) else { return Ok(None) };
        let start = self.layout.verbatim.start;
        let text = read(&self.bytes, start + place.start..start + place.end)?;
        check_verbatim(index, self.index.hash[index], &text)?;
        Ok(Some(text))
    }

    /// How much shorter the text became; `stored_bytes` is the length of the whole file.
    pub fn ratio(&self) -> CompressionRatio {
        let segments = (self.index.segments() - self.index.verbatim_count()) as u64;
        let rows = self.index.latents.last().map_or(0, |&rows| rows as u64);
        let markers = segments.saturating_mul(self.provenance.markers.into());
        CompressionRatio {
            text_tokens: self.index.tokens.iter().map(|&tokens| tokens as u64).sum(),
            latent_positions: rows.saturating_add(markers),
            corrections: self.index.corrections().unwrap_or(0),
            patch_bytes: self.index.patches.bytes.len() as u64,
            verbatim_tokens: self.index.verbatim_tokens(),
            text_bytes: self.source.bytes,
            stored_bytes: self.bytes.len(),
        }
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    /// As [`segment`](SegmentSource::segment).
    pub fn to_context(&self) -> Result<LatentContext> {
        let segments = (0..self.segment_count()).map(|index| self.segment(index));
        LatentContext::new(self.provenance.clone(), self.source, segments.collect::<Result<_>>()?)
    }
}

impl<S: ByteSource> SegmentSource for LatentFile<S> {
    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn source(&self) -> SourceDigest {
        self.source
    }

    fn segment_count(&self) -> usize {
        self.index.segments()
    }

    /// One read, of this segment's rows or its text alone.
    ///
    /// # Errors
    /// [`Error::NoSuchSegment`], [`Error::LatentsHash`] or [`Error::VerbatimHash`] where they are
    /// damaged, or [`Error::Read`].
    fn segment(&self, index: usize) -> Result<Segment> {
        let SegmentInfo { bytes, text_tokens, latents, hash, fidelity } =
            self.segment_info(index)?;
        let dim = self.provenance.dim;
        // Rows lie within `latents`, whose length was checked; but where it has none, any width
        // fits it.
        let width = (dim as u64).saturating_mul(self.dtype.size() as u64);
        let at = |row: u64| self.layout.latents.start + row * width;
        let rows = read(&self.bytes, at(latents.start)..at(latents.end))?;
        let (expected, found) = (self.index.latents_hash[index], xxh3_64(&rows));
        if found != expected {
            return Err(Error::LatentsHash { segment: index, expected, found });
        }
        let count = (latents.end - latents.start) as usize;
        let latents = LatentTokens::from_le_bytes(count, dim, self.dtype, rows)?;
        let text = self.verbatim(index)?;
        Ok(Segment { latents, bytes, text_tokens, hash, fidelity, text })
    }
}

impl<S: ByteSource> std::fmt::Debug for LatentFile<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LatentFile")
            .field("version", &self.version)
            .field("segments", &self.index.segments())
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl FileLayout {
    fn check(header: u64, places: &[Place], found: u64) -> Result<Self> {
        let data = LENGTH + header;
        let end = |place: Option<&Place>| place.map_or(0, |place| place.range.end);
        let latents = data.saturating_add(end(places.first()));
        let index = places.iter().rfind(|place| place.name != VERBATIM_TEXT);
        let index = data.saturating_add(end(index));
        let expected = data.saturating_add(end(places.last()));
        if found < expected {
            return Err(Error::Truncated { expected, found });
        }
        if found > expected {
            return Err(Error::TrailingBytes { expected, found });
        }
        let verbatim = index..expected;
        Ok(Self { header: 0..data, latents: data..latents, index: latents..index, verbatim })
    }
}

fn read_header(bytes: &impl ByteSource) -> Result<Vec<u8>> {
    let found = bytes.len();
    if found < LENGTH {
        return Err(Error::Truncated { expected: LENGTH, found });
    }
    let mut length = [0; LENGTH as usize];
    bytes.read_at(0, &mut length).map_err(Error::Read)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(Error::HeaderTooLong { limit: MAX_HEADER, found: length });
    }
    let end = LENGTH + length;
    if found < end {
        return Err(Error::Truncated { expected: end, found });
    }
    read(bytes, LENGTH..end)
}

/// Reads a range that lies within the file.
fn read(bytes: &impl ByteSource, range: Range<u64>) -> Result<Vec<u8>> {
    let length = range.end - range.start;
    let length = usize::try_from(length).map_err(|_| Error::TooLarge {
        what: "a tensor's length in bytes",
        limit: usize::MAX as u64,
        found: length,
    })?;
    let mut buffer = vec![0; length];
    bytes.read_at(range.start, &mut buffer).map_err(Error::Read)?;
    Ok(buffer)
}
