//! Hashes of source text.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
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
        bytes_of(hex)?.try_into().ok().map(Self)
    }
}

/// Bytes that lower-case hexadecimal digits spell.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
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
#[derive(Clone, Debug, Default)]
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

    /// What has been computed so far, from which [`resume`](Self::resume) goes on: hexadecimal digits,
    /// always as many. The last bytes of the text are among them.
    pub(crate) fn state(&self) -> String {
        let state = self.sha.serialize();
        let bytes = self.bytes.to_le_bytes();
        bytes.iter().chain(state.as_slice()).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A hasher that goes on after a text whose digest is `source`, from what
    /// [`LatentWriter::finish_appendable`](crate::LatentWriter::finish_appendable) kept of it.
    pub(crate) fn resume(state: &str, source: crate::SourceDigest) -> Option<Self> {
        let state = bytes_of(state)?;
        let (bytes, state) = state.split_first_chunk()?;
        let state = SerializedState::<Sha256>::try_from(state).ok()?;
        let sha = Sha256::deserialize(&state).ok()?;
        let hasher = Self { bytes: u64::from_le_bytes(*bytes), sha };
        (hasher.clone().finish() == source).then_some(hasher)
    }

    /// The length and hash of everything added.
    pub fn finish(self) -> crate::SourceDigest {
        crate::SourceDigest { bytes: self.bytes, sha256: Sha256Digest(self.sha.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hash_goes_on_where_it_was_left() {
        for length in [0, 1, 63, 64, 65, 1000] {
            let text = vec![b'x'; length];
            let (mut whole, mut part) = (super::SourceHasher::new(), super::SourceHasher::new());
            whole.update(&text);
            whole.update(b"more");
            part.update(&text);
            let (state, digest) = (part.state(), part.clone().finish());
            assert_eq!(state.len(), super::SourceHasher::new().state().len());
            let mut resumed = super::SourceHasher::resume(&state, digest).unwrap();
            resumed.update(b"more");
            assert_eq!(resumed.finish(), whole.finish());
            let other = crate::SourceDigest { bytes: digest.bytes + 1, ..digest };
            assert!(super::SourceHasher::resume(&state, other).is_none());
            for bad in ["", "00", &state[2..], &format!("{}g0", &state[2..])] {
                assert!(super::SourceHasher::resume(bad, digest).is_none(), "{bad}");
            }
        }
    }

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
