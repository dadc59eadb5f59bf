//! Latents to text, with a note of what did not come back.

use std::ops::{ControlFlow, Range};

use c3_core::{
    ByteSource, DecodeEvent, DecodeRequest, Decoded, DecodedSegment, Decoder, Fidelity,
    Fingerprint, LatentFile, SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_nn::{Checkpoint, LoadOptions};
use serde::Serialize;

use crate::progress::Progress;
use crate::report::with_hint;
use crate::ui::Ui;
use crate::{hints, human, interrupt};

/// Segments that a warning names.
const NAMED: usize = 5;

/// What decoding came to, and where it went wrong.
#[derive(Default)]
pub struct Restored {
    pub decoded: Decoded,
    /// The segments that differ from their source.
    pub differing: Vec<Differing>,
    /// Tokens that were foretold to differ, in all segments that do.
    pub foretold: u64,
    /// Segments that differ though none of their tokens was foretold to.
    pub surprises: usize,
    /// Who foretold what is checked, where it was another decoder: then nothing counts as foretold.
    pub other_verifier: Option<Fingerprint>,
    /// What that decoder, this one or another, did otherwise.
    kept_otherwise: Option<String>,
    /// Whether the request is the one that what is foretold is about.
    as_foretold: bool,
}

/// A segment that differs from its source.
#[derive(Serialize)]
pub struct Differing {
    pub segment: usize,
    pub bytes: [u64; 2],
    /// Tokens that were foretold to differ; null where nothing was foretold.
    pub foretold_mismatches: Option<u32>,
    /// The first of them.
    first: Option<u32>,
}

/// Loads the decoder that `file` needs: where the file names the one that verified it, it knows itself.
pub fn load_for<S: ByteSource>(
    file: &LatentFile<S>,
    checkpoint: &Checkpoint,
    options: &LoadOptions,
) -> anyhow::Result<C3Decoder> {
    let mut decoder = C3Decoder::load(checkpoint, options)?;
    if file.provenance().verified_by().is_some() {
        decoder.identify(checkpoint);
    }
    Ok(decoder)
}

/// Decodes what `request` names; `write` gets each piece of text with its segment's number.
pub fn decode<S: ByteSource>(
    decoder: &C3Decoder,
    file: &LatentFile<S>,
    request: &DecodeRequest,
    progress: &Progress,
    write: &mut dyn FnMut(usize, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Restored> {
    let first = request.segments.as_ref().map_or(0, |segments| segments.start);
    let base = file.segment_info(first).map_or(0, |info| info.bytes.start);
    let (mut done, mut failed) = (0, None);
    let mut restored = Restored {
        other_verifier: decoder.other_verifier(file.provenance()),
        kept_otherwise: kept_otherwise(decoder, file),
        as_foretold: decoder.keeps_promises(request),
        ..Restored::default()
    };
    let decoded = decoder.decode(file, request, &mut |event| {
        let result = match event {
            DecodeEvent::Text { segment, text } => {
                done += text.len() as u64;
                progress.at(done);
                write(segment, text.as_bytes())
            }
            DecodeEvent::Bytes { segment, bytes } => {
                done += bytes.len() as u64;
                progress.at(done);
                write(segment, bytes)
            }
            DecodeEvent::Segment(segment) => restored.add(file, segment).map(|bytes| {
                done = bytes.end - base;
                progress.at(done);
            }),
        };
        match result {
            Ok(()) => interrupt::flow(),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    // Where the sink broke off, the decoder only knows that it did.
    if let Some(error) = failed {
        return Err(error);
    }
    interrupt::check()?;
    restored.decoded = decoded?;
    Ok(restored)
}

/// Says that what a file foretells was foretold by a decoder of this fingerprint.
pub fn warn_of_verifier(ui: &Ui, found: Fingerprint) {
    ui.warn(format_args!(
        "a decoder of fingerprint {found} was asked what will come back, not this one"
    ));
}

/// The error of [`decode`], with what could be the reason of a promise that is not kept.
pub fn explained<S: ByteSource>(
    error: anyhow::Error,
    decoder: &C3Decoder,
    file: &LatentFile<S>,
) -> anyhow::Error {
    let broken = matches!(error.downcast_ref(), Some(c3_decoder::Error::BrokenPromise { .. }));
    match (kept_otherwise(decoder, file), hints::of(&error)) {
        (Some(kept), Some(hint)) if broken => with_hint(error, format!("{hint}; {kept}")),
        _ => error,
    }
}

/// What the decoder that verified the file did otherwise than this one.
fn kept_otherwise<S: ByteSource>(decoder: &C3Decoder, file: &LatentFile<S>) -> Option<String> {
    let (then, now) = (file.provenance().verified_with()?, decoder.kept());
    (then != now).then(|| format!("it was verified with {then}, and this is {now}"))
}

/// Bytes of source text that `request` asks for.
pub fn source_bytes<S: ByteSource>(file: &LatentFile<S>, request: &DecodeRequest) -> u64 {
    let Some(segments) = &request.segments else { return file.source().bytes };
    let ends = file.segment_info(segments.start).and_then(|first| {
        Ok(first.bytes.start..file.segment_info(segments.end.saturating_sub(1))?.bytes.end)
    });
    // Segments that don't exist are the decoder's to refuse.
    ends.map_or(0, |bytes| bytes.end.saturating_sub(bytes.start))
}

impl Restored {
    /// Takes note of a segment; returns where it stands in the source.
    fn add<S: ByteSource>(
        &mut self,
        file: &LatentFile<S>,
        segment: &DecodedSegment,
    ) -> anyhow::Result<Range<u64>> {
        let info = file.segment_info(segment.index)?;
        if !segment.exact {
            let (foretold_mismatches, first) = match info.fidelity {
                Fidelity::Checked { mismatches, first, .. }
                    if self.as_foretold && self.other_verifier.is_none() =>
                {
                    (Some(mismatches), first)
                }
                _ => (None, None),
            };
            self.foretold += u64::from(foretold_mismatches.unwrap_or(0));
            self.surprises += usize::from(foretold_mismatches == Some(0));
            let (segment, bytes) = (segment.index, [info.bytes.start, info.bytes.end]);
            self.differing.push(Differing { segment, bytes, foretold_mismatches, first });
        }
        Ok(info.bytes)
    }

    /// Says what did not come back. An answer to another question has no text to be compared with.
    pub fn warn(&self, ui: &Ui, own_question: bool) {
        let Decoded { segments, exact, cut_off, .. } = self.decoded;
        let of = human::counted(segments as u64, "segment");
        let differing = segments.saturating_sub(exact);
        if own_question && differing > 0 {
            let first = self.differing.iter().take(NAMED);
            let mut named: Vec<String> = first.map(Differing::name).collect();
            if differing > named.len() {
                named.push(format!("and {} more", human::count((differing - named.len()) as u64)));
            }
            let named = named.join(", ");
            let tokens = match self.foretold {
                0 => String::new(),
                tokens => format!(", {} as foretold", human::counted(tokens, "token")),
            };
            ui.warn(format_args!("{differing} of {of} did not come back exactly{tokens}: {named}"));
            if self.surprises > 0 {
                ui.warn(format_args!(
                    "{} of them were foretold to come back: {}",
                    self.surprises,
                    self.kept_otherwise.as_deref().unwrap_or(
                        "a near tie can go either way; --exact keeps a margin from them"
                    )
                ));
            }
            if let Some(found) = self.other_verifier.filter(|_| self.as_foretold) {
                warn_of_verifier(ui, found);
            }
        }
        if cut_off > 0 {
            ui.warn(format_args!("{cut_off} of {of} cut off at the allowed number of tokens"));
        }
    }
}

impl Differing {
    /// `3 (bytes 100..200)`, with what was foretold of it.
    fn name(&self) -> String {
        let [start, end] = self.bytes;
        let bytes = human::byte_range(&(start..end));
        match (self.foretold_mismatches, self.first) {
            (Some(tokens), Some(first)) => {
                let tokens = human::counted(tokens.into(), "token");
                format!("{} ({bytes}, {tokens} from token {first} on)", self.segment)
            }
            _ => format!("{} ({bytes})", self.segment),
        }
    }
}
