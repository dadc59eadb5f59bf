//! `c3 roundtrip`: compress, decompress and compare.

use std::io::{Cursor, Read};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use c3_core::{DecodeRequest, EncodeRequest, LatentFile};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;

use super::Context;
use super::comparison::Comparison;
use super::decoding::{Restored, decode};
use super::encoding::{Encoded, Promise, Stages, load_verifier};
use crate::compute::Compute;
use crate::input::Input;
use crate::memory::{self, Decoding, Encoding, Job};
use crate::output;
use crate::progress::Progress;
use crate::report::Outcome;

/// What to compress and restore, and how.
pub struct Roundtrip {
    pub input: Input,
    pub compute: Compute,
    pub encode: EncodeRequest,
    /// What the latents are to promise: comparing finds out the rest.
    pub promise: Promise,
    pub decode: DecodeRequest,
    pub diffs: usize,
    pub strict: bool,
    pub json: bool,
}

/// Both directions, and the texts before and after.
pub struct Trip {
    pub encoded: Encoded,
    pub restored: Restored,
    pub source: Vec<SegmentTexts>,
    pub load: Duration,
    pub encode: Duration,
    pub decode: Duration,
}

/// One segment's text before and after; what is no UTF-8 is shown as such.
pub struct SegmentTexts {
    pub start: u64,
    /// Whether its bytes are the same.
    pub exact: bool,
    pub source: String,
    pub restored: String,
}

impl Roundtrip {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let trip = self.compute.install(|| self.travel(context))?;
        let comparison = Comparison::new(&trip);
        memory::tell_peak(&context.ui);
        if self.json {
            output::print_json(&comparison)?;
        } else {
            output::print(&comparison.render(&trip, self.diffs))?;
        }
        let failed = self.strict && !comparison.exact;
        Ok(if failed { Outcome::Failed } else { Outcome::Done })
    }

    fn travel(&self, context: &Context) -> anyhow::Result<Trip> {
        let mut text = self.input.open_text(&context.ui)?;
        let mut bytes = Vec::new();
        let read = text.reader.read_to_end(&mut bytes);
        read.with_context(|| format!("can't read {}", self.input))?;
        if self.encode.lossy {
            bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
        }

        let start = Instant::now();
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let (mut encode_request, mut decode_request) = (self.encode.clone(), self.decode.clone());
        let held_text = bytes.len() as u64;
        let promised = self.promise.request(&encode_request);
        let encoding = Encoding::new(&checkpoint, &encode_request, Some(held_text))?;
        let encoding = encoding.choosing(&checkpoint, promised.as_ref(), Some(held_text))?;
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            decoding: Some(Decoding::of_encoding(&checkpoint, &decode_request, &encoding)?),
            encoding: Some(encoding),
            verifies: self.promise.level.is_some(),
            held_text,
        })?;
        memory::tell(&context.ui, &fit);
        encode_request.batch = fit.batch(fit.rows.encode).or(encode_request.batch);
        decode_request.batch = fit.batch(fit.rows.decode).or(decode_request.batch);
        let encoder = C3Encoder::load(&checkpoint, &fit.options)?;
        let decoder = match self.promise.level {
            Some(_) => load_verifier(&checkpoint, &fit.options)?,
            None => C3Decoder::load(&checkpoint, &fit.options)?,
        };
        let model = self.compute.model.name(&checkpoint);
        let load = start.elapsed();

        let start = Instant::now();
        let mut file = Cursor::new(Vec::new());
        let encoded = {
            let progress = Progress::bytes(&context.ui, "compressing", Some(bytes.len() as u64));
            let (promise, request) = (self.promise, &encode_request);
            let verifier = promise.level.is_some().then_some(&decoder);
            let stages = Stages { encoder: &encoder, decoder: verifier, request, promise };
            stages.encode(model, &mut bytes.as_slice(), &mut file, &progress)?
        };
        let encode = start.elapsed();

        let start = Instant::now();
        let file = LatentFile::from_bytes(file.into_inner())?;
        let mut parts = vec![Vec::new(); usize::try_from(encoded.segments)?];
        let restored = {
            let progress =
                Progress::bytes(&context.ui, "decompressing", Some(encoded.source.bytes));
            decode(&decoder, &file, &decode_request, &progress, &mut |segment, text| {
                parts[segment].extend_from_slice(text);
                Ok(())
            })?
        };
        let decode = start.elapsed();

        let source = pair(&file, &bytes, parts)?;
        Ok(Trip { encoded, restored, source, load, encode, decode })
    }
}

/// Each segment's part of the source beside what came back of it.
fn pair(
    file: &LatentFile<Vec<u8>>,
    source: &[u8],
    restored: Vec<Vec<u8>>,
) -> anyhow::Result<Vec<SegmentTexts>> {
    let part = |(index, restored): (usize, Vec<u8>)| {
        let bytes = file.segment_info(index)?.bytes;
        let part = usize::try_from(bytes.start)?..usize::try_from(bytes.end)?;
        let part = source.get(part).context("a segment lies outside the text")?;
        Ok(SegmentTexts {
            start: bytes.start,
            exact: part == restored,
            source: String::from_utf8_lossy(part).into_owned(),
            restored: String::from_utf8_lossy(&restored).into_owned(),
        })
    };
    restored.into_iter().enumerate().map(part).collect()
}
