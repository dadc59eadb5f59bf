#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod atomic;
mod context;
mod error;
mod fingerprint;
mod format;
mod hash;
mod latent;
mod ratio;
mod segment;
mod similarity;
mod stage;

pub use atomic::AtomicFile;
pub use context::{LatentContext, Provenance, SegmentSource, SourceDigest};
pub use error::{Error, Result};
pub use fingerprint::{Fingerprint, FingerprintBuilder};
pub use format::{
    ByteSource, FileLayout, FileSource, FormatVersion, LatentFile, LatentWriter, SegmentInfo,
};
pub use hash::{Sha256Digest, SourceHasher, segment_hash};
pub use latent::{Dtype, LatentTokens};
pub use ratio::CompressionRatio;
pub use segment::{Correction, Fidelity, Patch, Segment};
pub use similarity::char_similarity;
pub use stage::{
    Compression, DecodeEvent, DecodeRequest, Decoded, DecodedSegment, Decoder, EncodeRequest,
    Encoder, Sampling, StopReason,
};
