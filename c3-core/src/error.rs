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
    /// What is known about a segment contradicts itself.
    #[error("segment {segment}: its fidelity can't be: {reason}")]
    BadFidelity {
        /// Number of the segment, from 0.
        segment: usize,
        /// What contradicts what.
        reason: &'static str,
    },
    /// Corrections must rise in position and stay within their segment.
    #[error(
        "segment {segment}: a correction at token {found}, where one of {from}..{text_tokens} is due"
    )]
    CorrectionPosition {
        /// Number of the segment, from 0.
        segment: usize,
        /// The lowest position that could follow the correction before.
        from: u32,
        /// Tokens of the segment.
        text_tokens: u32,
        /// The position given.
        found: u32,
    },
    /// Patches must rise and not overlap.
    #[error(
        "segment {segment}: a patch of {length} bytes at byte {found}, where one from {from} on is due"
    )]
    PatchPlace {
        /// Number of the segment, from 0.
        segment: usize,
        /// Where the patch before ended.
        from: u32,
        /// Where this one starts.
        found: u32,
        /// How many bytes it replaces.
        length: u32,
    },
    /// A number that the format has no room for.
    #[error("{what} {found} doesn't fit a .c3 file: at most {limit}")]
    TooLarge {
        /// What it counts.
        what: &'static str,
        /// The largest that fits.
        limit: u64,
        /// The number given.
        found: u64,
    },
    /// Latents of no width.
    #[error("latent tokens of width 0 can't be stored")]
    ZeroWidth,
    /// Metadata of the caller's under a name that the writer itself uses.
    #[error("metadata {0:?} is written by the format itself")]
    ReservedMetadata(String),
    /// A writer was used after one of its writes had failed.
    #[error("the .c3 file is incomplete: writing to it failed before")]
    WriterFailed,

    /// Bytes can't be read.
    #[error("can't read the .c3 file")]
    Read(#[source] std::io::Error),
    /// Bytes can't be written.
    #[error("can't write the .c3 file")]
    Write(#[source] std::io::Error),
    /// The system refused something on a path.
    #[error("can't {doing} {}", path.display())]
    Path {
        /// What was tried: open, create, replace, …
        doing: &'static str,
        /// On which path.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is such a file already, and nobody said that it may go.
    #[error("{} exists already", .0.display())]
    Exists(std::path::PathBuf),
    /// A folder where a file was to be.
    #[error("{} is a directory", .0.display())]
    IsDirectory(std::path::PathBuf),

    /// The file ends too early.
    #[error("the .c3 file is cut off: {expected} bytes expected, {found} found")]
    Truncated {
        /// Bytes that there must be, as far as could be read.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// The file goes on after its end.
    #[error("the .c3 file has bytes after its end: {expected} bytes expected, {found} found")]
    TrailingBytes {
        /// Bytes that there must be.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// No safetensors file starts like this, or its metadata is beyond all measure.
    #[error("not a .c3 file: a header of {found} bytes, where at most {limit} are allowed")]
    HeaderTooLong {
        /// Bytes allowed.
        limit: u64,
        /// Bytes announced.
        found: u64,
    },
    /// The header isn't what safetensors prescribes.
    #[error("the header is not that of a safetensors file: {0}")]
    BadHeader(String),
    /// A safetensors file of another kind.
    #[error("a safetensors file, but not a .c3 file: its metadata has no c3.version")]
    NotC3,
    /// A file of another major version.
    #[error("a .c3 file of version {found}: this program reads version {supported}")]
    UnsupportedVersion {
        /// The file's version.
        found: crate::FormatVersion,
        /// The version that this crate writes.
        supported: crate::FormatVersion,
    },
    /// Metadata that must be there isn't.
    #[error("metadata {0} is missing")]
    MissingMetadata(&'static str),
    /// Metadata that can't be understood.
    #[error("metadata {key}: expected {expected}, found {found:?}")]
    BadMetadata {
        /// Its name.
        key: &'static str,
        /// What it must be.
        expected: String,
        /// What it is, cut to 64 characters.
        found: String,
    },
    /// A tensor that must be there isn't.
    #[error("tensor {0} is missing")]
    MissingTensor(&'static str),
    /// A tensor that has no place in the format.
    #[error("tensor {0:?} is unknown to this version of the format")]
    UnknownTensor(String),
    /// A tensor of another dtype.
    #[error("tensor {tensor}: expected dtype {expected}, found {found:?}")]
    TensorDtype {
        /// Its name.
        tensor: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is, cut to 64 characters.
        found: String,
    },
    /// A tensor of another shape.
    #[error("tensor {tensor}: expected shape {expected}, found {found}")]
    TensorShape {
        /// Its name.
        tensor: &'static str,
        /// What it must be.
        expected: String,
        /// What it is, cut to 64 characters.
        found: String,
    },
    /// A tensor in another place: data has a fixed order, without holes or overlap.
    #[error("tensor {tensor}: expected at bytes {expected:?} of the data, found at {found:?}")]
    TensorPlace {
        /// Its name.
        tensor: &'static str,
        /// Where it must lie.
        expected: std::ops::Range<u64>,
        /// Where it lies.
        found: std::ops::Range<u64>,
    },
    /// The hash of the file must stand in its header exactly once, or it can't be left out of it.
    #[error("the value of c3.payload_hash occurs {found} times in the header, where 1 is allowed")]
    PayloadHashPlace {
        /// How often it occurs.
        found: usize,
    },
    /// Header or index were changed after they were written.
    #[error("the .c3 file is damaged: its payload hash is {found}, but it says {expected}")]
    PayloadHash {
        /// What the file says.
        expected: String,
        /// What its bytes hash to.
        found: String,
    },
    /// A segment's latents were changed after they were written.
    #[error("segment {segment} is damaged: its latents hash to {found:016x}, not {expected:016x}")]
    LatentsHash {
        /// Number of the segment, from 0.
        segment: usize,
        /// What the file says.
        expected: u64,
        /// What the latents hash to.
        found: u64,
    },
    /// A segment's text, kept as text, was changed after it was written.
    #[error("segment {segment} is damaged: its text hashes to {found:016x}, not {expected:016x}")]
    VerbatimHash {
        /// Number of the segment, from 0.
        segment: usize,
        /// What the file says.
        expected: u64,
        /// What the text hashes to.
        found: u64,
    },
    /// Offsets must rise from 0 to the length of what they divide.
    #[error("tensor {tensor}: entry {index} is {found}, expected {expected}")]
    BadOffset {
        /// Its name.
        tensor: &'static str,
        /// Number of the entry, from 0.
        index: usize,
        /// What it must be.
        expected: String,
        /// What it is.
        found: i64,
    },
    /// A count or an id below zero.
    #[error("tensor {tensor}: entry {index} is {found}, expected 0 or more")]
    Negative {
        /// Its name.
        tensor: &'static str,
        /// Number of the entry, from 0.
        index: usize,
        /// What it is.
        found: i32,
    },
}

/// What a file holds, cut to a length that a message can carry.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
