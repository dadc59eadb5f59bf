//! Segments that are to come back exactly: where the decoder is overruled, and what is put right
//! afterwards.

use std::ops::Range;

use c3_core::{Correction, DecodeRequest, Fidelity, Patch, Sampling, Segment, segment_hash};

use crate::{Error, Result};

/// What is to come back of a segment.
pub(crate) struct Promise {
    corrections: std::vec::IntoIter<Correction>,
    next: Option<Correction>,
    patches: Vec<Patch>,
    /// Tokens after which the text ends, whatever the model says.
    pub tokens: usize,
    hash: u64,
    segment: usize,
    bytes: Range<u64>,
}

/// Whether `request` asks for what was promised: greedy decoding, unhindered.
pub(crate) fn applies_to(request: &DecodeRequest) -> bool {
    request.sampling == Sampling::Greedy
        && request.no_repeat_ngram.is_none()
        && request.max_new_tokens.is_none()
}

impl Promise {
    /// The promise of segment number `number`, if there is one that is kept by decoding.
    pub fn of(number: usize, segment: &Segment) -> Option<Self> {
        let Fidelity::Exact { corrections, patches } = &segment.fidelity else { return None };
        let mut corrections = corrections.clone().into_iter();
        Some(Self {
            next: corrections.next(),
            corrections,
            patches: patches.clone(),
            tokens: segment.text_tokens as usize,
            hash: segment.hash,
            segment: number,
            bytes: segment.bytes.clone(),
        })
    }

    /// The token at `position`, where the decoder says `chosen`. Positions are asked for in order.
    pub fn token(&mut self, position: usize, chosen: u32) -> u32 {
        match self.next {
            Some(correction) if correction.position as usize == position => {
                self.next = self.corrections.next();
                correction.token
            }
            _ => chosen,
        }
    }

    /// The source bytes, from those that the tokens spell.
    ///
    /// # Errors
    /// [`Error::BrokenPromise`] where they are not the source's.
    pub fn keep(&self, spelled: &[u8]) -> Result<Vec<u8>> {
        patched(spelled, &self.patches).filter(|bytes| segment_hash(bytes) == self.hash).ok_or_else(
            || Error::BrokenPromise {
                segment: self.segment,
                start: self.bytes.start,
                end: self.bytes.end,
            },
        )
    }
}

/// `spelled` with `patches` applied; `None` where one lies outside of it.
fn patched(spelled: &[u8], patches: &[Patch]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(spelled.len());
    let mut from = 0;
    for Patch { start, length, bytes: put } in patches {
        let start = *start as usize;
        bytes.extend_from_slice(spelled.get(from..start)?);
        bytes.extend_from_slice(put);
        from = start.checked_add(*length as usize)?;
    }
    bytes.extend_from_slice(spelled.get(from..)?);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_replace_remove_and_insert() {
        let patch = |start, length, bytes: &[u8]| Patch { start, length, bytes: bytes.to_vec() };
        let patches = [patch(0, 1, b"X"), patch(2, 2, b""), patch(5, 0, b"++"), patch(6, 0, b"!")];
        assert_eq!(patched(b"abcdef", &patches).unwrap(), b"Xbe++f!");
        assert_eq!(patched(b"", &[patch(0, 0, b"\xff")]).unwrap(), b"\xff");
        assert_eq!(patched(b"abc", &[]).unwrap(), b"abc");
        // What a file says may be anything.
        assert_eq!(patched(b"abc", &[patch(4, 0, b"")]), None);
        assert_eq!(patched(b"abc", &[patch(2, 2, b"")]), None);
        assert_eq!(patched(b"abc", &[patch(1, u32::MAX, b"")]), None);
        assert_eq!(patched(b"abc", &[patch(2, 1, b""), patch(1, 1, b"")]), None);
    }

    #[test]
    fn corrections_fall_on_their_positions() {
        let corrections = [(1, 7), (2, 8), (5, 9)]
            .map(|(position, token)| Correction { position, token })
            .to_vec();
        let segment = Segment {
            latents: c3_core::LatentTokens::from_f32(0, 1, c3_core::Dtype::F32, &[]).unwrap(),
            bytes: 0..0,
            text_tokens: 7,
            hash: 0,
            fidelity: Fidelity::Exact { corrections, patches: Vec::new() },
            text: None,
        };
        let mut promise = Promise::of(0, &segment).unwrap();
        let told: Vec<u32> = (0..7).map(|position| promise.token(position, 0)).collect();
        assert_eq!(told, [0, 7, 8, 0, 0, 9, 0]);
    }
}
