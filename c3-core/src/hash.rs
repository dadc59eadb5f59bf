//! Hashes of source text.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

/// The hash that a [`Segment`](crate::Segment) keeps of its source bytes: XXH3-64.
pub fn segment_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The sha-256 of a whole source text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    /// Reads 64 lower-case hexadecimal digits.
    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

/// Counts and hashes a source text that arrives in pieces.
#[derive(Clone, Default)]
pub struct SourceHasher {
    bytes: u64,
    sha: Sha256,
}

impl SourceHasher {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the text.
    pub fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha.update(bytes);
    }

    /// The length and hash of everything added.
    pub fn finish(self) -> crate::SourceDigest {
        crate::SourceDigest { bytes: self.bytes, sha256: Sha256Digest(self.sha.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn pieces_hash_like_the_whole() {
        let mut hasher = super::SourceHasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        let digest = hasher.finish();
        assert_eq!(digest.bytes, 3);
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.sha256.to_string(), abc);
        assert_eq!(super::Sha256Digest::from_hex(abc), Some(digest.sha256));
        for bad in [&abc[1..], &abc.to_uppercase(), &format!("{abc}0"), &abc.replace('b', "g")] {
            assert_eq!(super::Sha256Digest::from_hex(bad), None, "{bad}");
        }
    }
}
