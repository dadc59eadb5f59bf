//! The strings of a file's `__metadata__`.

use std::collections::BTreeMap;

use super::payload;
use super::version::{FormatVersion, decimal};
use crate::error::clip;
use crate::{Dtype, Error, Provenance, Result, Sha256Digest, SourceDigest, SourceHasher};

const VERSION: &str = "c3.version";
const FINGERPRINT: &str = "c3.fingerprint";
const MODEL: &str = "c3.model";
const DIM: &str = "c3.dim";
const MARKERS: &str = "c3.markers";
const SEGMENTER: &str = "c3.segmenter";
const PROMPT: &str = "c3.prompt";
const CREATED_BY: &str = "c3.created_by";
const SOURCE_BYTES: &str = "c3.source_bytes";
const SOURCE_HASH: &str = "c3.source_hash";
const PAYLOAD_HASH: &str = "c3.payload_hash";

const KEYS: [&str; 11] = [
    VERSION,
    FINGERPRINT,
    MODEL,
    DIM,
    MARKERS,
    SEGMENTER,
    PROMPT,
    CREATED_BY,
    SOURCE_BYTES,
    SOURCE_HASH,
    PAYLOAD_HASH,
];

const SHA256: &str = "sha256:";

/// What the source's hash can be continued from. May be missing.
const SOURCE_STATE: &str = "c3.source_state";

pub(super) type Strings = BTreeMap<String, String>;

/// Checks that a provenance can be written; [`strings`] writes it.
pub(super) fn check(provenance: &Provenance) -> Result<()> {
    if provenance.dim == 0 {
        return Err(Error::ZeroWidth);
    }
    match provenance.extra.keys().find(|key| KEYS.contains(&key.as_str())) {
        Some(key) => Err(Error::ReservedMetadata(key.clone())),
        None => Ok(()),
    }
}

/// Keeps what the source's hash can be continued from.
pub(super) fn keep_state(provenance: &mut Provenance, state: &SourceHasher) {
    provenance.extra.insert(SOURCE_STATE.to_owned(), state.state());
}

/// Goes on with the source's hash, where the file has kept what that takes.
pub(super) fn resume(strings: &Strings, source: SourceDigest) -> Option<SourceHasher> {
    SourceHasher::resume(strings.get(SOURCE_STATE)?, source)
}

/// All metadata of a file.
pub(super) fn strings(provenance: &Provenance, source: SourceDigest, payload: u128) -> Strings {
    let mut strings = provenance.extra.clone();
    let values = [
        (VERSION, FormatVersion::CURRENT.to_string()),
        (FINGERPRINT, provenance.fingerprint.to_string()),
        (MODEL, provenance.model.clone()),
        (DIM, provenance.dim.to_string()),
        (MARKERS, provenance.markers.to_string()),
        (SEGMENTER, provenance.segmenter.clone()),
        (PROMPT, provenance.prompt.clone()),
        (CREATED_BY, provenance.created_by.clone()),
        (SOURCE_BYTES, source.bytes.to_string()),
        (SOURCE_HASH, format!("{SHA256}{}", source.sha256)),
        (PAYLOAD_HASH, payload::value(payload)),
    ];
    strings.extend(values.map(|(key, value)| (key.to_owned(), value)));
    strings
}

/// The file's version, which decides whether the rest can be understood.
pub(super) fn version(strings: &Strings) -> Result<FormatVersion> {
    let version: FormatVersion = strings.get(VERSION).ok_or(Error::NotC3)?.parse()?;
    version.check()?;
    Ok(version)
}

/// What the file says that it hashes to.
pub(super) fn payload_hash(strings: &Strings) -> Result<&str> {
    let value = text(strings, PAYLOAD_HASH)?;
    if payload::is_value(value) {
        Ok(value)
    } else {
        Err(bad(PAYLOAD_HASH, "xxh3-128: and 32 hexadecimal digits", value))
    }
}

/// Everything else; `dim` and `dtype` are those of the latents.
pub(super) fn read(
    strings: &Strings,
    dim: u64,
    dtype: Dtype,
) -> Result<(Provenance, SourceDigest)> {
    let fingerprint = text(strings, FINGERPRINT)?;
    let fingerprint =
        fingerprint.parse().map_err(|_| bad(FINGERPRINT, "32 hexadecimal digits", fingerprint))?;
    if number(strings, DIM)? != dim {
        return Err(bad(DIM, &format!("{dim}, the width of the latents"), text(strings, DIM)?));
    }
    let markers = number(strings, MARKERS)?.try_into();
    let markers = markers.or(Err(bad(MARKERS, "a 32-bit number", text(strings, MARKERS)?)))?;
    let bytes = number(strings, SOURCE_BYTES)?;
    if i64::try_from(bytes).is_err() {
        return Err(bad(SOURCE_BYTES, "a number below 2^63", text(strings, SOURCE_BYTES)?));
    }
    let hash = text(strings, SOURCE_HASH)?;
    let sha256 = hash
        .strip_prefix(SHA256)
        .and_then(Sha256Digest::from_hex)
        .ok_or_else(|| bad(SOURCE_HASH, "sha256: and 64 hexadecimal digits", hash))?;

    let extra = strings.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()));
    let provenance = Provenance {
        fingerprint,
        model: text(strings, MODEL)?.to_owned(),
        dim: dim.try_into().or(Err(bad(DIM, "a number that fits memory", &dim.to_string())))?,
        dtype,
        markers,
        segmenter: text(strings, SEGMENTER)?.to_owned(),
        prompt: text(strings, PROMPT)?.to_owned(),
        created_by: text(strings, CREATED_BY)?.to_owned(),
        extra: extra.map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    Ok((provenance, SourceDigest { bytes, sha256 }))
}

fn text<'a>(strings: &'a Strings, key: &'static str) -> Result<&'a str> {
    strings.get(key).map(String::as_str).ok_or(Error::MissingMetadata(key))
}

fn number(strings: &Strings, key: &'static str) -> Result<u64> {
    let value = text(strings, key)?;
    decimal(value).ok_or_else(|| bad(key, "a decimal number", value))
}

fn bad(key: &'static str, expected: &str, found: &str) -> Error {
    Error::BadMetadata { key, expected: expected.to_owned(), found: clip(found) }
}
