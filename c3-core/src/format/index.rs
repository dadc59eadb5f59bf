//! The index: what a file knows of its segments beside their latents, one column a tensor.

use super::layout::*;
use super::near_ties::NearTies;
use super::patches::Patches;
use super::payload::PayloadHasher;
use crate::segment::{check_mismatches, check_positions};
use crate::{Correction, Error, Fidelity, Result, Segment};

const UNCHECKED: i32 = 0;
const CHECKED: i32 = 1;
const EXACT: i32 = 2;
const VERBATIM: i32 = 3;

/// The columns, with the integers that the file holds. Segment `i` has the latent rows
/// `latents[i]..latents[i + 1]`; source bytes and corrections likewise.
pub(super) struct Index {
    pub latents: Vec<i64>,
    pub bytes: Vec<i64>,
    pub hash: Vec<u64>,
    pub latents_hash: Vec<u64>,
    pub tokens: Vec<i32>,
    /// Level; mismatches, or number of corrections; position of the first, or -1.
    pub fidelity: Vec<[i32; 3]>,
    pub near_ties: NearTies,
    pub correction_offsets: Vec<i64>,
    pub correction_positions: Vec<i32>,
    pub correction_tokens: Vec<i32>,
    pub patches: Patches,
    /// Where each segment's text ends among those that are kept as text; empty where none is.
    verbatim: Vec<u64>,
}

impl Index {
    /// No segments.
    pub fn new() -> Self {
        Self {
            latents: vec![0],
            bytes: vec![0],
            hash: Vec::new(),
            latents_hash: Vec::new(),
            tokens: Vec::new(),
            fidelity: Vec::new(),
            near_ties: NearTies::default(),
            correction_offsets: vec![0],
            correction_positions: Vec::new(),
            correction_tokens: Vec::new(),
            patches: Patches::new(),
            verbatim: Vec::new(),
        }
    }

    pub fn segments(&self) -> usize {
        self.tokens.len()
    }

    /// Number of corrections; `None` where no segment is exact.
    pub fn corrections(&self) -> Option<u64> {
        let exact = self.fidelity.iter().any(|&[level, ..]| level == EXACT);
        exact.then_some(self.correction_positions.len() as u64)
    }

    /// Bytes of all segments that are kept as text; `None` where none is.
    pub fn verbatim(&self) -> Option<u64> {
        let kept = |&(segment, _): &(usize, &[i32; 3])| self.fidelity[segment][0] == VERBATIM;
        let mut kept = self.fidelity.iter().enumerate().filter(kept).peekable();
        kept.peek()?;
        let length = |segment: usize| (self.bytes[segment + 1] - self.bytes[segment]) as u64;
        Some(kept.map(|(segment, _)| length(segment)).fold(0, u64::saturating_add))
    }

    /// Number of segments that are kept as text.
    pub fn verbatim_count(&self) -> usize {
        self.fidelity.iter().filter(|[level, ..]| *level == VERBATIM).count()
    }

    /// Tokens of the segments that are kept as text.
    pub fn verbatim_tokens(&self) -> u64 {
        let all = self.fidelity.iter().zip(&self.tokens);
        all.filter(|([level, ..], _)| *level == VERBATIM).map(|(_, &tokens)| tokens as u64).sum()
    }

    /// Where a segment's text stands among those that are kept as text, in a checked index; `None`
    /// where it isn't one of them.
    pub fn verbatim_of(&self, segment: usize) -> Option<std::ops::Range<u64>> {
        if self.fidelity[segment][0] != VERBATIM {
            return None;
        }
        let start = segment.checked_sub(1).map_or(0, |before| self.verbatim[before]);
        Some(start..self.verbatim[segment])
    }

    /// Adds a segment that was checked to follow the ones before. Nothing is added on failure.
    pub fn push(&mut self, segment: &Segment, latents_hash: u64) -> Result<()> {
        let tokens = narrow("the number of text tokens", segment.text_tokens)?;
        let end = i64::try_from(segment.bytes.end).map_err(|_| Error::TooLarge {
            what: "the source position",
            limit: i64::MAX as u64,
            found: segment.bytes.end,
        })?;
        let position = |position: Option<u32>| {
            position.map_or(Ok(-1), |at| narrow("the position of a mismatch", at))
        };
        let (no_corrections, no_patches) = (Vec::new(), Vec::new());
        let (fidelity, corrections, patches) = match &segment.fidelity {
            Fidelity::Unchecked => ([UNCHECKED, 0, -1], &no_corrections, &no_patches),
            Fidelity::Verbatim => ([VERBATIM, 0, -1], &no_corrections, &no_patches),
            &Fidelity::Checked { mismatches, first, .. } => {
                let mismatches = narrow("the number of mismatches", mismatches)?;
                ([CHECKED, mismatches, position(first)?], &no_corrections, &no_patches)
            }
            Fidelity::Exact { corrections, patches } => {
                // Positions differ and lie below `tokens`, so their number fits as well.
                let first = position(corrections.first().map(|c| c.position))?;
                ([EXACT, corrections.len() as i32, first], corrections, patches)
            }
        };
        for correction in corrections {
            narrow("a token's id", correction.token)?;
        }
        Patches::fit(patches)?;
        let near_ties = NearTies::of(&segment.fidelity)?;

        let rows = self.latents[self.segments()] + segment.latents.rows() as i64;
        self.latents.push(rows);
        self.bytes.push(end);
        self.hash.push(segment.hash);
        self.latents_hash.push(latents_hash);
        self.tokens.push(tokens);
        self.fidelity.push(fidelity);
        self.near_ties.push(near_ties);
        self.correction_positions.extend(corrections.iter().map(|c| c.position as i32));
        self.correction_tokens.extend(corrections.iter().map(|c| c.token as i32));
        self.correction_offsets.push(self.correction_positions.len() as i64);
        self.patches.push(patches);
        Ok(())
    }

    /// The bytes of the tensor `name`.
    pub fn to_le_bytes(&self, name: &str) -> Vec<u8> {
        fn bytes<const N: usize, T: Copy>(column: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
            column.iter().flat_map(|&value| to(value)).collect()
        }
        match name {
            SEGMENT_LATENTS => bytes(&self.latents, i64::to_le_bytes),
            SEGMENT_BYTES => bytes(&self.bytes, i64::to_le_bytes),
            SEGMENT_HASH => bytes(&self.hash, u64::to_le_bytes),
            SEGMENT_LATENTS_HASH => bytes(&self.latents_hash, u64::to_le_bytes),
            SEGMENT_TOKENS => bytes(&self.tokens, i32::to_le_bytes),
            SEGMENT_FIDELITY => bytes(self.fidelity.as_flattened(), i32::to_le_bytes),
            SEGMENT_NEAR_TIES => bytes(self.near_ties.column(), i32::to_le_bytes),
            CORRECTION_OFFSETS => bytes(&self.correction_offsets, i64::to_le_bytes),
            CORRECTION_POSITIONS => bytes(&self.correction_positions, i32::to_le_bytes),
            CORRECTION_TOKENS => bytes(&self.correction_tokens, i32::to_le_bytes),
            PATCH_OFFSETS => bytes(&self.patches.offsets, i64::to_le_bytes),
            PATCH_ENDS => bytes(&self.patches.ends, i64::to_le_bytes),
            PATCH_STARTS => bytes(&self.patches.starts, i32::to_le_bytes),
            PATCH_LENGTHS => bytes(&self.patches.lengths, i32::to_le_bytes),
            PATCH_BYTES => self.patches.bytes.clone(),
            _ => Vec::new(),
        }
    }

    /// Reads the tensors at `places` with `read`, which fills a buffer from a range of the data,
    /// and hashes them on the way. Nothing in them is checked.
    pub fn read(
        places: &[Place],
        hasher: &mut PayloadHasher,
        read: impl Fn(&Place) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        fn column<const N: usize, T>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks().0.iter().map(|&value| from(value)).collect()
        }
        let mut index = Self::new();
        for place in places {
            let bytes = read(place)?;
            hasher.update(&bytes);
            match place.name {
                SEGMENT_LATENTS => index.latents = column(&bytes, i64::from_le_bytes),
                SEGMENT_BYTES => index.bytes = column(&bytes, i64::from_le_bytes),
                SEGMENT_HASH => index.hash = column(&bytes, u64::from_le_bytes),
                SEGMENT_LATENTS_HASH => index.latents_hash = column(&bytes, u64::from_le_bytes),
                SEGMENT_TOKENS => index.tokens = column(&bytes, i32::from_le_bytes),
                SEGMENT_FIDELITY => {
                    let numbers = column(&bytes, i32::from_le_bytes);
                    index.fidelity = numbers.as_chunks().0.to_vec();
                }
                SEGMENT_NEAR_TIES => {
                    index.near_ties = NearTies::new(column(&bytes, i32::from_le_bytes));
                }
                CORRECTION_OFFSETS => index.correction_offsets = column(&bytes, i64::from_le_bytes),
                CORRECTION_POSITIONS => {
                    index.correction_positions = column(&bytes, i32::from_le_bytes);
                }
                CORRECTION_TOKENS => index.correction_tokens = column(&bytes, i32::from_le_bytes),
                PATCH_OFFSETS => index.patches.offsets = column(&bytes, i64::from_le_bytes),
                PATCH_ENDS => index.patches.ends = column(&bytes, i64::from_le_bytes),
                PATCH_STARTS => index.patches.starts = column(&bytes, i32::from_le_bytes),
                PATCH_LENGTHS => index.patches.lengths = column(&bytes, i32::from_le_bytes),
                PATCH_BYTES => index.patches.bytes = bytes,
                _ => {}
            }
        }
        Ok(index)
    }

    /// Checks every number, so that all may be used afterwards.
    pub fn check(&mut self, dims: &Dims, source_bytes: u64) -> Result<()> {
        check_offsets(SEGMENT_LATENTS, &self.latents, dims.rows)?;
        check_offsets(SEGMENT_BYTES, &self.bytes, source_bytes)?;
        check_positive(SEGMENT_TOKENS, &self.tokens)?;
        if dims.corrections.is_some() {
            let count = self.correction_positions.len() as u64;
            check_offsets(CORRECTION_OFFSETS, &self.correction_offsets, count)?;
            check_positive(CORRECTION_POSITIONS, &self.correction_positions)?;
            check_positive(CORRECTION_TOKENS, &self.correction_tokens)?;
        }
        if dims.patches.is_some() {
            self.patches.check()?;
        }
        (0..self.segments()).try_for_each(|segment| self.check_fidelity(segment))?;
        self.check_near_ties(dims)?;
        self.check_verbatim(dims)?;
        match (dims.corrections, self.corrections()) {
            (Some(_), None) => Err(Error::UnknownTensor(CORRECTION_OFFSETS.to_owned())),
            (None, Some(_)) => Err(Error::MissingTensor(CORRECTION_OFFSETS)),
            _ => Ok(()),
        }
    }

    /// Checks that near ties are counted of checked segments alone, and stand there only where they say
    /// something.
    fn check_near_ties(&self, dims: &Dims) -> Result<()> {
        if !dims.near_ties {
            return Ok(());
        }
        let column = self.near_ties.column();
        for (segment, (&found, [level, mismatches, _])) in
            column.iter().zip(&self.fidelity).enumerate()
        {
            let most = if *level == CHECKED { Some(*mismatches as u32) } else { None };
            NearTies::check(found, segment, self.tokens[segment] as u32, most)?;
        }
        match self.near_ties.says_something() {
            true => Ok(()),
            false => Err(Error::UnknownTensor(SEGMENT_NEAR_TIES.to_owned())),
        }
    }

    /// Finds where each segment's text ends, and checks that all of it is there.
    fn check_verbatim(&mut self, dims: &Dims) -> Result<()> {
        match (dims.verbatim, self.verbatim()) {
            (None, None) => return Ok(()),
            (Some(_), None) => return Err(Error::UnknownTensor(VERBATIM_TEXT.to_owned())),
            (None, Some(_)) => return Err(Error::MissingTensor(VERBATIM_TEXT)),
            (Some(found), Some(expected)) if found != expected => {
                let (expected, found) = (format!("[{expected}]"), format!("[{found}]"));
                return Err(Error::TensorShape { tensor: VERBATIM_TEXT, expected, found });
            }
            _ => {}
        }
        let mut end = 0;
        let ends = self.fidelity.iter().zip(self.bytes.windows(2)).map(|([level, ..], bytes)| {
            end += if *level == VERBATIM { (bytes[1] - bytes[0]) as u64 } else { 0 };
            end
        });
        self.verbatim = ends.collect();
        Ok(())
    }

    fn check_fidelity(&self, segment: usize) -> Result<()> {
        let contradiction = |reason| Err(Error::BadFidelity { segment, reason });
        let tokens = self.tokens[segment] as u32;
        let positions = &self.correction_positions[self.corrections_of(segment)];
        let [level, count, first] = self.fidelity[segment];
        if level != EXACT && !positions.is_empty() {
            return contradiction("corrections for a segment that is not exact");
        }
        if level != EXACT && !self.patches.range(segment).is_empty() {
            return contradiction("patches for a segment that is not exact");
        }
        if level == VERBATIM && self.latents[segment] != self.latents[segment + 1] {
            return contradiction("kept as text, but it has latents");
        }
        if count < 0 || first < -1 {
            return contradiction("a number below zero");
        }
        match level {
            UNCHECKED if (count, first) != (0, -1) => {
                contradiction("mismatches of a segment that nobody checked")
            }
            VERBATIM if (count, first) != (0, -1) => {
                contradiction("mismatches of a segment that is kept as text")
            }
            UNCHECKED | VERBATIM => Ok(()),
            CHECKED => check_mismatches(segment, tokens, count as u32, u32::try_from(first).ok()),
            EXACT if count as usize != positions.len() => {
                contradiction("another number of corrections than there are")
            }
            EXACT if first != positions.first().copied().unwrap_or(-1) => {
                contradiction("another first correction than there is")
            }
            EXACT => check_positions(segment, tokens, positions.iter().map(|&at| at as u32)),
            _ => contradiction("a level other than 0, 1, 2 and 3"),
        }
    }

    /// Where a segment's corrections stand; empty where the file has none.
    fn corrections_of(&self, segment: usize) -> std::ops::Range<usize> {
        match self.correction_offsets.get(segment..segment + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        }
    }

    /// What a checked index says of a segment.
    pub fn fidelity(&self, segment: usize) -> Fidelity {
        let [level, count, first] = self.fidelity[segment];
        match level {
            EXACT => {
                let range = self.corrections_of(segment);
                let positions = self.correction_positions[range.clone()].iter();
                let corrections = positions
                    .zip(&self.correction_tokens[range])
                    .map(|(&at, &token)| Correction { position: at as u32, token: token as u32 })
                    .collect();
                Fidelity::Exact { corrections, patches: self.patches.of(segment) }
            }
            VERBATIM => Fidelity::Verbatim,
            CHECKED => {
                let (mismatches, first) = (count as u32, u32::try_from(first).ok());
                Fidelity::Checked { mismatches, first, near_ties: self.near_ties.get(segment) }
            }
            _ => Fidelity::Unchecked,
        }
    }
}

pub(super) fn narrow(what: &'static str, number: u32) -> Result<i32> {
    let (limit, found) = (i32::MAX as u64, u64::from(number));
    i32::try_from(number).map_err(|_| Error::TooLarge { what, limit, found })
}

/// Offsets rise from 0 to `end`; they need not rise strictly.
pub(super) fn check_offsets(tensor: &'static str, offsets: &[i64], end: u64) -> Result<()> {
    let bad = |index: usize, expected| {
        Err(Error::BadOffset { tensor, index, expected, found: offsets[index] })
    };
    if offsets[0] != 0 {
        return bad(0, "0".to_owned());
    }
    if let Some(before) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        return bad(before + 1, format!("{} or more", offsets[before]));
    }
    let last = offsets.len() - 1;
    if u64::try_from(offsets[last]) != Ok(end) {
        return bad(last, end.to_string());
    }
    Ok(())
}

pub(super) fn check_positive(tensor: &'static str, numbers: &[i32]) -> Result<()> {
    match numbers.iter().position(|&number| number < 0) {
        Some(index) => Err(Error::Negative { tensor, index, found: numbers[index] }),
        None => Ok(()),
    }
}
