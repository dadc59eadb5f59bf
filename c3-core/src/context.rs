//! A compressed text: its segments, and where they came from.

use std::collections::BTreeMap;

use crate::{Dtype, Error, Fingerprint, Result, Segment, Sha256Digest};

/// Who made the latents and how: everything that a decoder must agree with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The encoder's fingerprint.
    pub fingerprint: Fingerprint,
    /// The model's name for people; no meaning is attached to it.
    pub model: String,
    /// Width of a latent token: the encoder's hidden size.
    pub dim: usize,
    /// How the latents are stored.
    pub dtype: Dtype,
    /// Decoder positions that every segment costs beside its latents: the markers around them.
    pub markers: u32,
    /// The segmenter's settings, for people.
    pub segmenter: String,
    /// The question that the decoder is trained to answer with the text.
    pub prompt: String,
    /// Program and version that wrote the latents.
    pub created_by: String,
    /// Whatever else a file's metadata held: kept and written back.
    pub extra: BTreeMap<String, String>,
}

/// Names the decoder that verified the segments, among what else a file's metadata holds.
const VERIFIED_BY: &str = "c3.verified_by";

/// Says how that decoder kept its weights.
const VERIFIED_WITH: &str = "c3.verified_with";

impl Provenance {
    /// The fingerprint of the decoder that said how the segments will come back; `None` where none
    /// did, or it is not known.
    pub fn verified_by(&self) -> Option<Fingerprint> {
        self.extra.get(VERIFIED_BY)?.parse().ok()
    }

    /// Notes which decoder said how the segments will come back.
    pub fn set_verified_by(&mut self, decoder: Fingerprint) {
        self.extra.insert(VERIFIED_BY.to_owned(), decoder.to_string());
    }

    /// How that decoder kept its weights, in its own words: kept otherwise, the same weights are
    /// another decoder.
    pub fn verified_with(&self) -> Option<&str> {
        self.extra.get(VERIFIED_WITH).map(String::as_str)
    }

    /// Notes how the decoder that verified keeps its weights.
    pub fn set_verified_with(&mut self, kept: &str) {
        self.extra.insert(VERIFIED_WITH.to_owned(), kept.to_owned());
    }
}

/// Length and hash of a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceDigest {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its sha-256.
    pub sha256: Sha256Digest,
}

/// Segments that can be had one at a time, from memory or from a file.
pub trait SegmentSource {
    /// Who made the latents and how.
    fn provenance(&self) -> &Provenance;

    /// Length and hash of the source text.
    fn source(&self) -> SourceDigest;

    /// Number of segments.
    fn segment_count(&self) -> usize;

    /// One segment, latents and all.
    ///
    /// # Errors
    /// [`Error::NoSuchSegment`], and from a file whatever is wrong with that part of it.
    fn segment(&self, index: usize) -> Result<Segment>;
}

/// A compressed text in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatentContext {
    provenance: Provenance,
    source: SourceDigest,
    segments: Vec<Segment>,
}

impl LatentContext {
    /// Puts a context together.
    ///
    /// # Errors
    /// Where a segment's latents have another width or dtype than `provenance` says, the segments
    /// don't cover the source from its first byte to its last without gap or overlap, or a
    /// segment's [`Fidelity`](crate::Fidelity) contradicts itself.
    pub fn new(
        provenance: Provenance,
        source: SourceDigest,
        segments: Vec<Segment>,
    ) -> Result<Self> {
        let mut end = 0;
        for (number, segment) in segments.iter().enumerate() {
            end = check_segment(&provenance, number, end, segment)?;
        }
        if end != source.bytes {
            let segment = segments.len();
            return Err(Error::SegmentGap { segment, expected: end, found: source.bytes });
        }
        Ok(Self { provenance, source, segments })
    }

    /// The segments, in the order of the text.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl SegmentSource for LatentContext {
    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn source(&self) -> SourceDigest {
        self.source
    }

    fn segment_count(&self) -> usize {
        self.segments.len()
    }

    fn segment(&self, index: usize) -> Result<Segment> {
        let count = self.segments.len();
        self.segments.get(index).cloned().ok_or(Error::NoSuchSegment { index, count })
    }
}

/// Checks that `segment` fits what came before it; returns where the next one must start.
pub(crate) fn check_segment(
    provenance: &Provenance,
    number: usize,
    start: u64,
    segment: &Segment,
) -> Result<u64> {
    let (latents, bytes) = (&segment.latents, &segment.bytes);
    if latents.dim() != provenance.dim {
        let (expected, found) = (provenance.dim, latents.dim());
        return Err(Error::LatentWidth { segment: number, expected, found });
    }
    if latents.dtype() != provenance.dtype {
        let (expected, found) = (provenance.dtype, latents.dtype());
        return Err(Error::LatentDtype { segment: number, expected, found });
    }
    if bytes.start != start {
        return Err(Error::SegmentGap { segment: number, expected: start, found: bytes.start });
    }
    if bytes.end < bytes.start {
        return Err(Error::SegmentRange { segment: number, start, end: bytes.end });
    }
    segment.fidelity.check(number, segment.text_tokens)?;
    segment.check_text(number)?;
    Ok(bytes.end)
}
