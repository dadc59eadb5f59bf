//! What a file must hash to. The hub names large files by their sha-256, and small ones, which git
//! keeps itself, by the sha-1 of a git blob.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What a file must hash to; also its name in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    Sha256(String),
    GitBlob(String),
}

/// Hashes a file that arrives in pieces.
pub enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Checksum {
    /// Tells the two apart by their length.
    pub fn parse(etag: &str) -> Option<Self> {
        let hex = etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (hex, etag.len()) {
            (true, 64) => Some(Self::Sha256(etag.to_owned())),
            (true, 40) => Some(Self::GitBlob(etag.to_owned())),
            _ => None,
        }
    }

    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::GitBlob(hex) => hex,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha-256",
            Self::GitBlob(_) => "git blob",
        }
    }

    /// Starts to hash a file of `bytes` bytes.
    pub fn hasher(&self, bytes: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::GitBlob(_) => {
                // A git blob's hash covers a header with its length.
                let mut sha = Sha1::new();
                sha.update(format!("blob {bytes}\0"));
                Hasher::GitBlob(sha)
            }
        }
    }
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sha) => sha.update(bytes),
            Self::GitBlob(sha) => sha.update(bytes),
        }
    }

    pub fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256(sha) => hex(&sha.finalize()),
            Self::GitBlob(sha) => hex(&sha.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_git_and_with_fips() {
        // `printf 'hello\n' | git hash-object --stdin`
        let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (text, hex) in [("hello\n", blob), ("abc", abc)] {
            let checksum = Checksum::parse(hex).unwrap();
            let mut hasher = checksum.hasher(text.len() as u64);
            for byte in text.bytes() {
                hasher.update(&[byte]);
            }
            assert_eq!(hasher.finish(), checksum.hex());
        }
        for bad in ["", "../../x", &"g".repeat(40), &"a".repeat(41)] {
            assert_eq!(Checksum::parse(bad), None, "{bad}");
        }
    }
}
