//! Latents to text, with a note of what did not come back.

use std::ops::{ControlFlow, Range};

use c3_core::{
    ByteSource, DecodeEvent, DecodeRequest, Decoded, DecodedSegment, Decoder, Fidelity, LatentFile,
    SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_nn::{Checkpoint, LoadOptions};

use crate::human;
use crate::interrupt;
use crate::progress::Progress;
use crate::ui::Ui;

/// Segments that a warning names.
const NAMED: usize = 5;

/// What decoding came to, and where it went wrong first.
pub struct Restored {
    pub decoded: Decoded,
    /// The first segments that differ from their source.
    pub differing: Vec<Differing>,
    /// Tokens that were foretold to differ, in all segments that do.
    pub foretold: u64,
    /// Segments that differ though none of their tokens was foretold to.
    pub surprises: usize,
}

/// A segment that differs from its source.
pub struct Differing {
    pub index: usize,
    pub bytes: Range<u64>,
    /// Tokens that were foretold to differ, and the first of them; absent where nobody checked.
    pub foretold: Option<(u32, Option<u32>)>,
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
    let mut restored =
        Restored { decoded: Decoded::default(), differing: Vec::new(), foretold: 0, surprises: 0 };
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
            let foretold = match info.fidelity {
                Fidelity::Checked { mismatches, first } => Some((mismatches, first)),
                _ => None,
            };
            self.foretold += foretold.map_or(0, |(mismatches, _)| u64::from(mismatches));
            self.surprises += usize::from(foretold.is_some_and(|(mismatches, _)| mismatches == 0));
            if self.differing.len() < NAMED {
                let (index, bytes) = (segment.index, info.bytes.clone());
                self.differing.push(Differing { index, bytes, foretold });
            }
        }
        Ok(info.bytes)
    }

    /// Says what did not come back. An answer to another question has no text to be compared with.
    pub fn warn(&self, ui: &Ui, own_question: bool) {
        let Decoded { segments, exact, cut_off, .. } = self.decoded;
        let of = human::counted(segments as u64, "segment");
        let differing = segments.saturating_sub(exact);
        if own_question && differing > 0 {
            let mut named: Vec<String> = self.differing.iter().map(Differing::name).collect();
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
                    "{} of them were foretold to come back: are the weights kept as they were then?",
                    self.surprises
                ));
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
        let bytes = human::byte_range(&self.bytes);
        match self.foretold {
            Some((tokens, Some(first))) => {
                let tokens = human::counted(tokens.into(), "token");
                format!("{} ({bytes}, {tokens} from token {first} on)", self.index)
            }
            _ => format!("{} ({bytes})", self.index),
        }
    }
}
