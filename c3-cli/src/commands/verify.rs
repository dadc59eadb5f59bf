//! `c3 verify`: whether a `.c3` file is sound and keeps what it says of its text.

use std::io::Read;
use std::ops::Range;

use anyhow::Context as _;
use c3_core::{DecodeRequest, LatentFile, Segment, SegmentSource, SourceHasher};
use c3_decoder::C3Decoder;
use c3_exact::audit;

use super::Context;
use super::decoding::{Restored, decode, load_for, warn_of_verifier};
use super::findings::Findings;
use crate::compute::Compute;
use crate::input::{Bytes, Input};
use crate::memory::{self, Decoding, Job};
use crate::progress::Progress;
use crate::report::Outcome;
use crate::{interrupt, output};

/// What to verify.
pub struct Verify {
    pub input: Input,
    /// The text that it was made from.
    pub against: Option<Input>,
    pub any_model: bool,
    pub compute: Compute,
    pub batch: Option<usize>,
    pub json: bool,
}

impl Verify {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let findings = self.compute.install(|| self.verify(context))?;
        memory::tell_peak(&context.ui);
        if self.json {
            output::print_json(&findings)?;
        } else {
            output::print(&findings.render())?;
        }
        Ok(if findings.is_sound() { Outcome::Done } else { Outcome::Failed })
    }

    fn verify(&self, context: &Context) -> anyhow::Result<Findings> {
        let file = self.input.open_latents()?;
        let text = self.against.as_ref().map(|input| input.open_text(&context.ui)).transpose()?;
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let any_fingerprint = self.any_model;
        let request = DecodeRequest { batch: self.batch, any_fingerprint, ..Default::default() };
        let decoding = Decoding::of_file(&checkpoint, &request, &file)?;
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            encoding: None,
            decoding: Some(if text.is_some() { decoding.verifying() } else { decoding }),
            verifies: false,
            held_text: 0,
        })?;
        memory::tell(&context.ui, &fit);
        let decoder = load_for(&file, &checkpoint, &fit.options)?;
        if !self.any_model {
            self.check(&decoder, &file)?;
        }
        if let Some(found) = decoder.other_verifier(file.provenance()) {
            warn_of_verifier(&context.ui, found);
        }
        let progress = Progress::bytes(&context.ui, "verifying", Some(file.source().bytes));
        let batch = fit.batch(fit.rows.decode).or(self.batch);
        match text {
            Some(mut text) => {
                let batch = batch.unwrap_or(memory::VERIFIED);
                let read = format!("can't read {}", self.against.as_ref().unwrap_or(&self.input));
                compare(&decoder, &file, &mut text.reader, batch, &progress).context(read)
            }
            None => decode_all(&decoder, &file, &DecodeRequest { batch, ..request }, &progress),
        }
    }

    /// Refuses what another model made or promised.
    fn check(&self, decoder: &C3Decoder, file: &LatentFile<Bytes>) -> anyhow::Result<()> {
        let provenance = file.provenance();
        decoder.check(provenance)?;
        for index in 0..file.segment_count() {
            decoder.check_promise(provenance, index, &file.segment_info(index)?.fidelity)?;
        }
        Ok(())
    }
}

/// Decodes all segments: one that breaks its promise doesn't end it.
fn decode_all(
    decoder: &C3Decoder,
    file: &LatentFile<Bytes>,
    request: &DecodeRequest,
    progress: &Progress,
) -> anyhow::Result<Findings> {
    let count = file.segment_count();
    let mut findings = Findings::of(count);
    let mut source = SourceHasher::new();
    let mut decode = |segments: Range<usize>| -> anyhow::Result<Result<Restored, usize>> {
        let mut all = Restored::default();
        (all.decoded.segments, all.decoded.exact) = (segments.len(), segments.len());
        let request = DecodeRequest { segments: Some(segments), ..request.clone() };
        let decoded = decode(decoder, file, &request, progress, &mut |_, text| {
            source.update(text);
            Ok(())
        });
        decoded.map(Ok).or_else(|error| match error.downcast_ref() {
            Some(&c3_decoder::Error::BrokenPromise { segment, .. }) => Ok(Err(segment)),
            // All of them came back; what they are together is looked at below.
            Some(c3_decoder::Error::OtherSource) => Ok(Ok(all)),
            _ => Err(error),
        })
    };
    let together = request.batch.unwrap_or(C3Decoder::MOST_ROWS).max(1);
    for start in (0..count).step_by(together) {
        let all = start..count.min(start.saturating_add(together));
        let broken = match decode(all.clone())? {
            Ok(restored) => {
                findings.add_restored(&restored);
                continue;
            }
            Err(broken) => broken,
        };
        // What the others do shows each alone.
        for segment in all {
            match if segment == broken { Err(segment) } else { decode(segment..segment + 1)? } {
                Ok(restored) => findings.add_restored(&restored),
                Err(_) => findings.add_broken(segment, &file.segment_info(segment)?.bytes),
            }
        }
    }
    findings.same_source = (findings.exact == count).then(|| source.finish() == file.source());
    Ok(findings)
}

/// Compares every segment with its text, in one pass of the decoder.
fn compare(
    decoder: &C3Decoder,
    file: &LatentFile<Bytes>,
    mut text: &mut dyn Read,
    batch: usize,
    progress: &Progress,
) -> anyhow::Result<Findings> {
    let count = file.segment_count();
    let mut findings = Findings::of(count);
    findings.near_ties = Some(0);
    let mut source = SourceHasher::new();
    let mut next = 0;
    while next < count {
        interrupt::check()?;
        let first = next;
        let mut segments: Vec<(Segment, Vec<u8>)> = Vec::new();
        while next < count && segments.len() < batch {
            let segment = file.segment(next)?;
            let mut bytes = Vec::new();
            let length = segment.bytes.end - segment.bytes.start;
            (&mut text).take(length).read_to_end(&mut bytes)?;
            source.update(&bytes);
            progress.at(segment.bytes.end);
            segments.push((segment, bytes));
            next += 1;
        }
        let found = audit(decoder, &segments)?;
        for (number, ((segment, _), finding)) in (first..).zip(segments.iter().zip(found)) {
            findings.add(number, segment, &finding);
        }
    }
    let mut rest = [0; 1 << 16];
    loop {
        match text.read(&mut rest)? {
            0 => break,
            more => source.update(&rest[..more]),
        }
    }
    findings.same_text = Some(source.finish() == file.source());
    Ok(findings)
}
