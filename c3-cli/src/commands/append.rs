//! `c3 append`: text to the end of a `.c3` file.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{anyhow, bail};
use c3_core::{
    AtomicFile, Compression, CompressionRatio, EncodeRequest, Encoder, LatentFile, LatentWriter,
    SegmentSource,
};
use c3_encoder::C3Encoder;
use serde_json::json;

use super::Context;
use super::encoding::{Encoded, Foretold, Hashed, Promise, Stages, count, load_verifier};
use super::foretold;
use crate::compute::Compute;
use crate::input::Input;
use crate::memory::{self, Encoding, Job};
use crate::progress::Progress;
use crate::report::{Outcome, with_hint};
use crate::{human, interrupt, output};

/// What to add to what, and how.
pub struct Append {
    pub file: PathBuf,
    pub input: Input,
    pub compute: Compute,
    pub compression: Compression,
    pub batch: Option<usize>,
    pub promise: Promise,
    pub json: bool,
}

impl Append {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let (before, added) = self.compute.install(|| self.append(context))?;
        context.ui.say(format_args!(
            "{} → {}: {} and {} more, {} in {}",
            self.input,
            self.file.display(),
            human::counted(before, "segment"),
            human::count(added.segments),
            added.ratio,
            human::seconds(start.elapsed()),
        ));
        foretold::tell(&context.ui, &added);
        if self.json {
            output::print_json(&json!({
                "segments_before": before,
                "segments": added.segments,
                "text_bytes": added.ratio.text_bytes,
                "text_tokens": added.ratio.text_tokens,
                "token_ratio": added.ratio.token_ratio(),
                "corrections": added.ratio.corrections,
                "stored_bytes": added.ratio.stored_bytes,
                "source_sha256": added.source.sha256.to_string(),
                "fidelity": foretold::json(&added),
            }))?;
        }
        Ok(Outcome::Done)
    }

    /// The number of segments that there were, and what was added.
    fn append(&self, context: &Context) -> anyhow::Result<(u64, Encoded)> {
        let path = self.file.display();
        let file = Input::File(self.file.clone()).open_latents()?;
        let Some(hasher) = file.source_hasher() else {
            let error =
                anyhow!("{path} doesn't hold what it takes to go on with its source's hash");
            return Err(with_hint(error, "make it again with `c3 compress`"));
        };
        let mut text = self.input.open_text(&context.ui)?;
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let mut request = EncodeRequest {
            compression: self.compression,
            dtype: file.provenance().dtype,
            batch: self.batch,
            lossy: false,
        };
        let promised = self.promise.request(&request);
        let encoding = Encoding::new(&checkpoint, &request, text.bytes)?;
        let encoding = encoding.choosing(&checkpoint, promised.as_ref(), text.bytes)?;
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            encoding: Some(encoding),
            decoding: None,
            verifies: self.promise.level.is_some(),
            held_text: 0,
        })?;
        memory::tell(&context.ui, &fit);
        request.batch = fit.batch(fit.rows.encode).or(request.batch);
        let encoder = C3Encoder::load(&checkpoint, &fit.options)?;
        let own = encoder.provenance(&request)?;
        let (found, expected) = (file.provenance().fingerprint, own.fingerprint);
        if found != expected {
            let made_by = &file.provenance().model;
            bail!(
                "{path} was made by {made_by:?} (fingerprint {found}), not by {:?} (fingerprint \
                 {expected}): a file's latents are all of one encoder",
                own.model
            );
        }
        let decoder = match self.promise.level {
            Some(_) => Some(load_verifier(&checkpoint, &fit.options)?),
            None => None,
        };
        let (decoder, promise) = (decoder.as_ref(), self.promise);
        let stages = Stages { encoder: &encoder, decoder, request: &request, promise };

        let mut provenance = file.provenance().clone();
        if let Some(decoder) = decoder
            && let Some(own) = decoder.identity()
        {
            if let Some(other) = provenance.verified_by().filter(|&other| other != own) {
                bail!(
                    "{path} was checked with a decoder of fingerprint {other}, and this one's is {own}"
                );
            }
            provenance.set_verified_by(own);
            // What was verified otherwise is not to be passed off as this.
            let kept = provenance.verified_with().unwrap_or(decoder.kept()).to_owned();
            provenance.set_verified_with(&match kept.ends_with(decoder.kept()) {
                true => kept,
                false => format!("{kept}; then {}", decoder.kept()),
            });
        }
        let out = AtomicFile::create(&self.file, true)?;
        let mut writer = LatentWriter::new(out, provenance)?;
        for index in 0..file.segment_count() {
            interrupt::check()?;
            writer.push(&file.segment(index)?)?;
        }
        let progress = Progress::bytes(&context.ui, "appending", text.bytes);
        let (shift, markers) = (file.source().bytes, own.markers);
        let mut text = Hashed { text: &mut text.reader, hasher };
        let (mut segments, mut fidelity) = (0, Foretold::default());
        let mut ratio = CompressionRatio::default();
        let (_, compressed) = stages.segments(&mut text, &progress, &mut |mut segment| {
            segment.bytes = segment.bytes.start + shift..segment.bytes.end + shift;
            writer.push(&segment)?;
            segments += 1;
            fidelity.add(&segment.fidelity);
            count(&mut ratio, &segment, markers);
            Ok(())
        })?;
        let source = text.hasher.clone().finish();
        writer.finish_appendable(text.hasher)?.commit()?;
        ratio.text_bytes = source.bytes - shift;
        let before = file.segment_count() as u64;
        let grown = LatentFile::open(&self.file)?.ratio().stored_bytes;
        ratio.stored_bytes = grown.saturating_sub(file.ratio().stored_bytes);
        let (model, fingerprint) = (own.model, found);
        Ok((before, Encoded { model, fingerprint, segments, source, ratio, fidelity, compressed }))
    }
}
