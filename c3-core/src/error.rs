//! What can be wrong with latents, segments and `.c3` files.

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with latents, segments and `.c3` files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The values don't fill the shape.
    #[error("latent tokens: {rows} rows of width {dim} need {expected} values, found {found}")]
    LatentShape {
        /// Latent tokens asked for.
        rows: usize,
        /// Width of one latent token.
        dim: usize,
        /// `rows × dim`.
        expected: usize,
        /// Values (or bytes) given.
        found: usize,
    },
    /// A latent of another width than the context's.
    #[error("segment {segment}: latent tokens of width {found} in a context of width {expected}")]
    LatentWidth {
        /// Number of the segment, from 0.
        segment: usize,
        /// The context's width.
        expected: usize,
        /// The segment's width.
        found: usize,
    },
    /// A latent of another dtype than the context's.
    #[error("segment {segment}: latent tokens in {found} in a context of {expected}")]
    LatentDtype {
        /// Number of the segment, from 0.
        segment: usize,
        /// The context's dtype.
        expected: crate::Dtype,
        /// The segment's dtype.
        found: crate::Dtype,
    },
    /// Segments must cover the source text without gap or overlap.
    #[error(
        "segment {segment} starts at byte {found}, but the segment before it ended at byte {expected}"
    )]
    SegmentGap {
        /// Number of the segment, from 0.
        segment: usize,
        /// Where it had to start.
        expected: u64,
        /// Where it starts.
        found: u64,
    },
    /// A byte range that ends before it starts.
    #[error("segment {segment}: byte range {start}..{end} ends before it starts")]
    SegmentRange {
        /// Number of the segment, from 0.
        segment: usize,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// There is no such segment.
    #[error("there is no segment {index}: the context has {count} (0…{})", count.saturating_sub(1))]
    NoSuchSegment {
        /// The segment asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The name of a dtype that latents can't have.
    #[error("unknown latent dtype {0:?}: expected f32, f16 or bf16")]
    UnknownDtype(String),
    /// Text that is not a fingerprint.
    #[error("not a fingerprint: expected 32 hexadecimal digits, found {0:?}")]
    BadFingerprint(String),
}
