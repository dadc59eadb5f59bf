//! The payload hash: XXH3-128 of the file's length field, header and index.
//!
//! Its own 32 digits stand in the header, so they count as zeros. The latents are left out: each
//! segment's rows have a hash of their own in the index, checked when they are read. So a file
//! opens without its latents being read, and still no bit of it can change unnoticed.

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

const PREFIX: &str = "xxh3-128:";
const DIGITS: usize = 32;

/// The metadata value for a hash.
pub(super) fn value(hash: u128) -> String {
    format!("{PREFIX}{hash:032x}")
}

pub(super) fn is_value(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|hex| {
        hex.len() == DIGITS && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Hashes a header and then, piece by piece, the index.
pub(super) struct PayloadHasher(Xxh3);

impl PayloadHasher {
    /// Starts with a header in which `value` stands once, or not at all where its place already
    /// holds zeros (`None`).
    pub fn new(header: &[u8], value: Option<&str>) -> Result<Self> {
        let mut hash = Xxh3::new();
        hash.update(&(header.len() as u64).to_le_bytes());
        match value {
            None => hash.update(header),
            Some(value) => {
                let digits = find_once(header, value)? + PREFIX.len();
                hash.update(&header[..digits]);
                hash.update(&[b'0'; DIGITS]);
                hash.update(&header[digits + DIGITS..]);
            }
        }
        Ok(Self(hash))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

/// Where `value` stands in `header`; if it stood there twice, one of them would escape the hash.
fn find_once(header: &[u8], value: &str) -> Result<usize> {
    let value = value.as_bytes();
    let mut places = header.windows(value.len()).enumerate().filter(|(_, w)| *w == value);
    match (places.next(), places.count()) {
        (Some((place, _)), 0) => Ok(place),
        (first, more) => {
            Err(Error::PayloadHashPlace { found: usize::from(first.is_some()) + more })
        }
    }
}
