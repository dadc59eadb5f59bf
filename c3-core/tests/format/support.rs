//! Small contexts, and a second, independent reading of the specification to craft files with.

use std::collections::BTreeMap;
use std::ops::Range;

use c3_core::{
    Correction, Dtype, Error, Fidelity, FingerprintBuilder, LatentContext, LatentFile,
    LatentTokens, Patch, Provenance, Segment, SegmentSource, SourceDigest, SourceHasher,
    segment_hash,
};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

pub fn provenance(dim: usize, dtype: Dtype) -> Provenance {
    Provenance {
        fingerprint: FingerprintBuilder::new().part("a", b"test").finish(),
        model: "test".to_owned(),
        dim,
        dtype,
        markers: 2,
        segmenter: "none".to_owned(),
        prompt: "\nRepeat the text: ".to_owned(),
        created_by: "c3-core tests".to_owned(),
        extra: BTreeMap::new(),
    }
}

pub fn digest(text: &[u8]) -> SourceDigest {
    let mut hasher = SourceHasher::new();
    hasher.update(text);
    hasher.finish()
}

/// A segment of `text[bytes]`, a token a byte, with `rows` latents.
pub fn segment(
    text: &[u8],
    bytes: Range<usize>,
    rows: usize,
    p: &Provenance,
    fidelity: Fidelity,
) -> Segment {
    let values: Vec<f32> =
        (0..rows * p.dim).map(|i| (bytes.start + i) as f32 * 0.25 - 1.0).collect();
    Segment {
        latents: LatentTokens::from_f32(rows, p.dim, p.dtype, &values).unwrap(),
        bytes: bytes.start as u64..bytes.end as u64,
        text_tokens: bytes.len() as u32,
        hash: segment_hash(&text[bytes.clone()]),
        text: (fidelity == Fidelity::Verbatim).then(|| text[bytes].to_vec()),
        fidelity,
    }
}

/// One unchecked segment.
pub fn simple() -> LatentContext {
    let text = b"hello";
    let p = provenance(4, Dtype::F16);
    let only = segment(text, 0..5, 2, &p, Fidelity::Unchecked);
    LatentContext::new(p, digest(text), vec![only]).unwrap()
}

/// All three levels, an exact segment without corrections, an empty one, metadata of others.
pub fn corrected() -> LatentContext {
    let text = "a text of four segments".as_bytes();
    let mut p = provenance(3, Dtype::Bf16);
    p.extra.insert("title".to_owned(), "\"quoted\" 文".to_owned());
    let corrections =
        vec![Correction { position: 0, token: 151_643 }, Correction { position: 7, token: 12 }];
    let segments = vec![
        segment(text, 0..8, 1, &p, exact(corrections)),
        segment(text, 8..15, 3, &p, checked(2, Some(6), Some(0))),
        segment(text, 15..23, 2, &p, exact(vec![])),
        segment(text, 23..23, 0, &p, Fidelity::Unchecked),
    ];
    LatentContext::new(p, digest(text), segments).unwrap()
}

/// What was foretold of a segment.
pub fn checked(mismatches: u32, first: Option<u32>, near_ties: Option<u32>) -> Fidelity {
    Fidelity::Checked { mismatches, first, near_ties }
}

/// The same where nobody counted near ties.
pub fn uncounted(context: &LatentContext) -> LatentContext {
    let mut segments = context.segments().to_vec();
    for segment in &mut segments {
        if let Fidelity::Checked { near_ties, .. } = &mut segment.fidelity {
            *near_ties = None;
        }
    }
    LatentContext::new(context.provenance().clone(), context.source(), segments).unwrap()
}

/// Checked segments: with near ties, without, and where nobody counted them; and an unchecked one.
pub fn tied() -> LatentContext {
    let text = b"nearly tied";
    let p = provenance(2, Dtype::F16);
    let segments = vec![
        segment(text, 0..3, 1, &p, checked(1, Some(2), Some(3))),
        segment(text, 3..6, 1, &p, checked(0, None, Some(0))),
        segment(text, 6..9, 1, &p, checked(0, None, None)),
        segment(text, 9..11, 1, &p, Fidelity::Unchecked),
    ];
    LatentContext::new(p, digest(text), segments).unwrap()
}

/// An exact segment that needs no patches.
pub fn exact(corrections: Vec<Correction>) -> Fidelity {
    Fidelity::Exact { corrections, patches: Vec::new() }
}

/// Segments kept as text, one of them empty, around one with patches.
pub fn patched() -> LatentContext {
    let text = b"kept \xff patched, and kept";
    let p = provenance(3, Dtype::F32);
    let patch = |start, length, bytes: &[u8]| Patch { start, length, bytes: bytes.to_vec() };
    let fidelity = Fidelity::Exact {
        corrections: vec![Correction { position: 2, token: 7 }],
        patches: vec![patch(0, 3, b"\xff"), patch(5, 0, b"a\xcc\x81"), patch(5, 4, b"")],
    };
    let segments = vec![
        segment(text, 0..5, 0, &p, Fidelity::Verbatim),
        segment(text, 5..15, 2, &p, fidelity),
        segment(text, 15..15, 0, &p, Fidelity::Verbatim),
        segment(text, 15..24, 0, &p, Fidelity::Verbatim),
    ];
    LatentContext::new(p, digest(text), segments).unwrap()
}

/// Opens a file and reads every segment of it.
pub fn read_all(bytes: &[u8]) -> Result<LatentContext, Error> {
    let file = LatentFile::from_source(bytes)?;
    file.ratio();
    for index in 0..file.segment_count() {
        file.segment_info(index)?;
    }
    file.to_context()
}

/// A file taken apart into header and data, to be changed and sealed again.
pub struct Parts {
    pub header: Value,
    pub data: Vec<u8>,
}

impl Parts {
    pub fn of(bytes: &[u8]) -> Self {
        let (header, data) = split(bytes).unwrap();
        Self { header: serde_json::from_slice(header).unwrap(), data: data.to_vec() }
    }

    pub fn meta(&mut self, key: &str, value: &str) -> &mut Self {
        self.header["__metadata__"][key] = json!(value);
        self
    }

    pub fn without_meta(&mut self, key: &str) -> &mut Self {
        self.header["__metadata__"].as_object_mut().unwrap().remove(key).unwrap();
        self
    }

    pub fn tensor(&mut self, name: &str, field: &str, value: Value) -> &mut Self {
        self.header[name][field] = value;
        self
    }

    pub fn add(&mut self, name: &str, entry: Value) -> &mut Self {
        self.header[name] = entry;
        self
    }

    /// The data of a tensor.
    pub fn bytes_of(&mut self, name: &str) -> &mut [u8] {
        let offsets = &self.header[name]["data_offsets"];
        let at = |i: usize| offsets[i].as_u64().unwrap() as usize;
        &mut self.data[at(0)..at(1)]
    }

    pub fn put_i64(&mut self, name: &str, index: usize, value: i64) -> &mut Self {
        self.bytes_of(name)[index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub fn put_i32(&mut self, name: &str, index: usize, value: i32) -> &mut Self {
        self.bytes_of(name)[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// The file, with a payload hash that is right.
    pub fn seal(&self) -> Vec<u8> {
        let header = serde_json::to_string(&self.header).unwrap();
        let mut bytes = join(&header, &self.data);
        seal(&mut bytes);
        bytes
    }
}

pub fn join(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Rewrites the payload hash of a file so that it is right, if there is one to rewrite.
pub fn seal(bytes: &mut [u8]) -> Option<()> {
    let (header, data) = split(bytes)?;
    let json: Value = serde_json::from_slice(header).ok()?;
    let value = json["__metadata__"]["c3.payload_hash"].as_str()?.as_bytes();
    if value.len() != 41 {
        return None;
    }
    let at = header.windows(value.len()).position(|w| w == value)? + b"xxh3-128:".len();
    let end = at.checked_add(32)?;
    let mut zeroed = header.to_vec();
    zeroed.get_mut(at..end)?.fill(b'0');
    let latents = json["latents"]["data_offsets"][1].as_u64()?;
    let kept = json["verbatim.text"]["data_offsets"][0].as_u64();
    let kept = kept.map_or(Some(data.len()), |kept| usize::try_from(kept).ok())?;
    let index = data.get(usize::try_from(latents).ok()?..kept)?;

    let mut hash = Xxh3::new();
    hash.update(&bytes[..8]);
    hash.update(&zeroed);
    hash.update(index);
    let hex = format!("{:032x}", hash.digest128());
    bytes[8 + at..8 + end].copy_from_slice(hex.as_bytes());
    Some(())
}
