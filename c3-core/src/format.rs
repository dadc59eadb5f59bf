//! The `.c3` file, as `FORMAT.md` specifies it: a safetensors file whose tensors are few, however
//! many segments it has, and whose every byte is covered by a hash.

mod header;
mod index;
mod layout;
mod metadata;
mod near_ties;
mod patches;
mod payload;
mod read;
mod save;
mod source;
mod version;
mod write;

pub use read::{FileLayout, LatentFile, SegmentInfo};
pub use source::{ByteSource, FileSource};
pub use version::FormatVersion;
pub use write::LatentWriter;

/// Bytes that the header's length takes.
const LENGTH: u64 = 8;

/// The longest header; safetensors has the same bound.
const MAX_HEADER: u64 = 100_000_000;
