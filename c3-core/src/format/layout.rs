//! Which tensors a file has, and where: everything follows from a few numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use super::header::TensorEntry;
use crate::error::clip;
use crate::{Dtype, Error, Result};

pub(super) const LATENTS: &str = "latents";
pub(super) const SEGMENT_LATENTS: &str = "segment.latents";
pub(super) const SEGMENT_BYTES: &str = "segment.bytes";
pub(super) const SEGMENT_HASH: &str = "segment.hash";
pub(super) const SEGMENT_LATENTS_HASH: &str = "segment.latents_hash";
pub(super) const SEGMENT_TOKENS: &str = "segment.tokens";
pub(super) const SEGMENT_FIDELITY: &str = "segment.fidelity";
pub(super) const SEGMENT_NEAR_TIES: &str = "segment.near_ties";
pub(super) const CORRECTION_OFFSETS: &str = "corrections.offsets";
pub(super) const CORRECTION_POSITIONS: &str = "corrections.positions";
pub(super) const CORRECTION_TOKENS: &str = "corrections.tokens";
pub(super) const PATCH_OFFSETS: &str = "patches.offsets";
pub(super) const PATCH_ENDS: &str = "patches.ends";
pub(super) const PATCH_STARTS: &str = "patches.starts";
pub(super) const PATCH_LENGTHS: &str = "patches.lengths";
pub(super) const PATCH_BYTES: &str = "patches.bytes";
pub(super) const VERBATIM_TEXT: &str = "verbatim.text";

/// The numbers that decide every tensor's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dims {
    pub dtype: Dtype,
    /// Rows of `latents`.
    pub rows: u64,
    /// Their width.
    pub dim: u64,
    pub segments: u64,
    /// Whether there is a `segment.near_ties`.
    pub near_ties: bool,
    /// `None` where no segment is exact: then there are no `corrections.*`.
    pub corrections: Option<u64>,
    /// Patches, and the bytes of all of them; `None` where there are none.
    pub patches: Option<(u64, u64)>,
    /// Bytes of `verbatim.text`; `None` where no segment is kept as text.
    pub verbatim: Option<u64>,
}

/// One tensor: what it is and where it lies, counted from the end of the header.
#[derive(Debug)]
pub(super) struct Place {
    pub name: &'static str,
    pub dtype: &'static str,
    pub shape: Vec<u64>,
    pub range: Range<u64>,
}

impl Dims {
    /// The tensors in the order of their data. Eight-byte numbers come before four-byte ones, so
    /// that all are aligned where the latents' length is a multiple of 8; bytes come last.
    ///
    /// Sums and products saturate: no file is `u64::MAX` bytes long, so such a layout fits none.
    pub fn places(&self) -> Vec<Place> {
        let (segments, ends) = (self.segments, self.segments.saturating_add(1));
        let fixed = [
            (LATENTS, dtype_name(self.dtype), vec![self.rows, self.dim]),
            (SEGMENT_LATENTS, "I64", vec![ends]),
            (SEGMENT_BYTES, "I64", vec![ends]),
            (SEGMENT_HASH, "U64", vec![segments]),
            (SEGMENT_LATENTS_HASH, "U64", vec![segments]),
        ];
        let last =
            [(SEGMENT_TOKENS, "I32", vec![segments]), (SEGMENT_FIDELITY, "I32", vec![segments, 3])];
        let mut tensors = Vec::from(fixed);
        tensors.extend(self.corrections.map(|_| (CORRECTION_OFFSETS, "I64", vec![ends])));
        if let Some((patches, _)) = self.patches {
            tensors.push((PATCH_OFFSETS, "I64", vec![ends]));
            tensors.push((PATCH_ENDS, "I64", vec![patches.saturating_add(1)]));
        }
        tensors.extend(last);
        tensors.extend(self.near_ties.then(|| (SEGMENT_NEAR_TIES, "I32", vec![segments])));
        if let Some(corrections) = self.corrections {
            tensors.push((CORRECTION_POSITIONS, "I32", vec![corrections]));
            tensors.push((CORRECTION_TOKENS, "I32", vec![corrections]));
        }
        if let Some((patches, bytes)) = self.patches {
            tensors.push((PATCH_STARTS, "I32", vec![patches]));
            tensors.push((PATCH_LENGTHS, "I32", vec![patches]));
            tensors.push((PATCH_BYTES, "U8", vec![bytes]));
        }
        tensors.extend(self.verbatim.map(|bytes| (VERBATIM_TEXT, "U8", vec![bytes])));

        let mut start = 0u64;
        let place = |(name, dtype, shape): (&'static str, &'static str, Vec<u64>)| {
            let length = shape.iter().fold(dtype_size(dtype), |n, &d| n.saturating_mul(d));
            let range = start..start.saturating_add(length);
            start = range.end;
            Place { name, dtype, shape, range }
        };
        tensors.into_iter().map(place).collect()
    }

    /// The tensors that the payload hash covers: all but the latents and the text, which have
    /// hashes of their own.
    pub fn index(&self) -> Vec<Place> {
        let covered = |place: &Place| ![LATENTS, VERBATIM_TEXT].contains(&place.name);
        self.places().into_iter().filter(covered).collect()
    }

    /// The header's entries.
    pub fn entries(&self) -> Vec<(&'static str, TensorEntry)> {
        let entry = |place: Place| {
            let data_offsets = [place.range.start, place.range.end];
            (
                place.name,
                TensorEntry { dtype: place.dtype.to_owned(), shape: place.shape, data_offsets },
            )
        };
        self.places().into_iter().map(entry).collect()
    }

    /// Finds the numbers in a header, and checks that its tensors are exactly those which
    /// follow from them.
    pub fn check(tensors: &BTreeMap<String, TensorEntry>) -> Result<(Self, Vec<Place>)> {
        let dims = Self::find(tensors)?;
        let places = dims.places();
        if let Some(name) = tensors.keys().find(|n| places.iter().all(|place| place.name != *n)) {
            return Err(Error::UnknownTensor(clip(name)));
        }
        for place in &places {
            check_entry(place, get(tensors, place.name)?)?;
        }
        Ok((dims, places))
    }

    fn find(tensors: &BTreeMap<String, TensorEntry>) -> Result<Self> {
        let latents = get(tensors, LATENTS)?;
        let &[rows, dim] = latents.shape.as_slice() else {
            return Err(shape_error(LATENTS, "[rows, width]".to_owned(), &latents.shape));
        };
        if dim == 0 {
            return Err(Error::ZeroWidth);
        }
        let dtype = [Dtype::F32, Dtype::F16, Dtype::Bf16]
            .into_iter()
            .find(|&dtype| dtype_name(dtype) == latents.dtype)
            .ok_or_else(|| Error::TensorDtype {
                tensor: LATENTS,
                expected: "F32, F16 or BF16",
                found: clip(&latents.dtype),
            })?;
        let segments = length(tensors, SEGMENT_TOKENS)?;
        let has = |names: &[&str]| names.iter().any(|&name| tensors.contains_key(name));
        let near_ties = has(&[SEGMENT_NEAR_TIES]);
        let corrections = has(&[CORRECTION_OFFSETS, CORRECTION_POSITIONS, CORRECTION_TOKENS])
            .then(|| length(tensors, CORRECTION_POSITIONS))
            .transpose()?;
        let patches = has(&[PATCH_OFFSETS, PATCH_ENDS, PATCH_STARTS, PATCH_LENGTHS, PATCH_BYTES])
            .then(|| Ok((length(tensors, PATCH_STARTS)?, length(tensors, PATCH_BYTES)?)))
            .transpose()?;
        let verbatim = has(&[VERBATIM_TEXT]).then(|| length(tensors, VERBATIM_TEXT)).transpose()?;
        Ok(Self { dtype, rows, dim, segments, near_ties, corrections, patches, verbatim })
    }
}

fn check_entry(place: &Place, entry: &TensorEntry) -> Result<()> {
    let tensor = place.name;
    if entry.dtype != place.dtype {
        let found = clip(&entry.dtype);
        return Err(Error::TensorDtype { tensor, expected: place.dtype, found });
    }
    if entry.shape != place.shape {
        return Err(shape_error(tensor, format!("{:?}", place.shape), &entry.shape));
    }
    let [start, end] = entry.data_offsets;
    let found = start..end;
    if found != place.range {
        let expected = place.range.clone();
        return Err(Error::TensorPlace { tensor, expected, found });
    }
    Ok(())
}

fn get<'a>(
    tensors: &'a BTreeMap<String, TensorEntry>,
    name: &'static str,
) -> Result<&'a TensorEntry> {
    tensors.get(name).ok_or(Error::MissingTensor(name))
}

fn length(tensors: &BTreeMap<String, TensorEntry>, name: &'static str) -> Result<u64> {
    let shape = &get(tensors, name)?.shape;
    match shape.as_slice() {
        &[length] => Ok(length),
        _ => Err(shape_error(name, "one dimension".to_owned(), shape)),
    }
}

fn shape_error(tensor: &'static str, expected: String, found: &[u64]) -> Error {
    let dots = if found.len() > 4 { ", …" } else { "" };
    let shown: Vec<_> = found.iter().take(4).map(u64::to_string).collect();
    Error::TensorShape { tensor, expected, found: format!("[{}{dots}]", shown.join(", ")) }
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::Bf16 => "BF16",
    }
}

/// Bytes of one value of a dtype that this module itself names.
fn dtype_size(name: &str) -> u64 {
    match name {
        "F16" | "BF16" => 2,
        "F32" | "I32" => 4,
        "U8" => 1,
        _ => 8,
    }
}
