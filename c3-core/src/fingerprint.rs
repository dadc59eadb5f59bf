//! Which encoder made the latents.

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// Identifies an encoder: its weights, its context queries and its tokenizer.
///
/// 128 bits of XXH3 over the parts named to a [`FingerprintBuilder`]. It tells checkpoints apart;
/// it is no protection against somebody who wants two of them to look alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let hex = text.len() == 32
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        hex.then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| Error::BadFingerprint(text.chars().take(64).collect()))
    }
}

/// Tensors longer than this are sampled, not read whole.
const WHOLE: usize = 1 << 20;
const BLOCK: usize = 4096;
const BLOCKS: usize = 64;

/// Gathers the parts of a [`Fingerprint`]. Order matters: name parts in a fixed one.
#[derive(Default)]
pub struct FingerprintBuilder {
    hash: Xxh3,
}

impl FingerprintBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a named part, all of its bytes.
    pub fn part(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.hash.update(&(name.len() as u64).to_le_bytes());
        self.hash.update(name.as_bytes());
        self.hash.update(&(bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        self
    }

    /// Adds a named tensor by its length and, above 1 MiB, 64 evenly spaced blocks of 4 KiB:
    /// training moves every weight, so a sample tells checkpoints apart, and gigabytes need not
    /// be read from disk to open a file.
    pub fn tensor(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        if bytes.len() <= WHOLE {
            return self.part(name, bytes);
        }
        self.part(name, &(bytes.len() as u64).to_le_bytes());
        let last = bytes.len() - BLOCK;
        for block in 0..BLOCKS {
            let start = (last as u128 * block as u128 / (BLOCKS - 1) as u128) as usize;
            self.hash.update(&bytes[start..start + BLOCK]);
        }
        self
    }

    /// The fingerprint of everything added.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.hash.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_other_text_is_refused() {
        let print = FingerprintBuilder::new().part("a", b"b").finish();
        assert_eq!(print.to_string().parse::<Fingerprint>().unwrap(), print);
        for bad in ["", "12", &"g".repeat(32), &"A".repeat(32), &format!("+{}", "1".repeat(31))] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_lengths_and_contents_all_count() {
        let of = |parts: &[(&str, &[u8])]| {
            let mut builder = FingerprintBuilder::new();
            for (name, bytes) in parts {
                builder.tensor(name, bytes);
            }
            builder.finish()
        };
        let mut large = vec![7u8; 3 << 20];
        let base = of(&[("a", &large)]);
        large[0] = 8;
        assert_ne!(base, of(&[("a", &large)]));
        large[0] = 7;
        *large.last_mut().unwrap() = 8;
        assert_ne!(base, of(&[("a", &large)]));
        assert_ne!(of(&[("a", b"bc")]), of(&[("ab", b"c")]));
        assert_ne!(of(&[("a", b""), ("b", b"")]), of(&[("b", b""), ("a", b"")]));
    }
}
