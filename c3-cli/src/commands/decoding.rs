//! Latents to text, with a note of what did not come back.

use std::ops::{ControlFlow, Range};

use c3_core::{
    ByteSource, DecodeEvent, DecodeRequest, Decoded, Decoder, LatentFile, SegmentSource,
};
use c3_decoder::C3Decoder;

use crate::human;
use crate::interrupt;
use crate::progress::Progress;
use crate::ui::Ui;

/// Segments that a warning names.
const NAMED: usize = 5;

/// What decoding came to, and where it went wrong first.
pub struct Restored {
    pub decoded: Decoded,
    /// The first segments that differ from their source: number and place.
    pub differing: Vec<(usize, Range<u64>)>,
}

/// Decodes what `request` names; `write` gets each piece of text with its segment's number.
pub fn decode<S: ByteSource>(
    decoder: &C3Decoder,
    file: &LatentFile<S>,
    request: &DecodeRequest,
    progress: &Progress,
    write: &mut dyn FnMut(usize, &str) -> anyhow::Result<()>,
) -> anyhow::Result<Restored> {
    let first = request.segments.as_ref().map_or(0, |segments| segments.start);
    let base = file.segment_info(first).map_or(0, |info| info.bytes.start);
    let (mut done, mut differing, mut failed) = (0, Vec::new(), None);
    let decoded = decoder.decode(file, request, &mut |event| {
        let result = match event {
            DecodeEvent::Text { segment, text } => {
                done += text.len() as u64;
                progress.at(done);
                write(segment, text)
            }
            DecodeEvent::Segment(segment) => file.segment_info(segment.index).map_or_else(
                |error| Err(error.into()),
                |info| {
                    done = info.bytes.end - base;
                    progress.at(done);
                    if !segment.exact && differing.len() < NAMED {
                        differing.push((segment.index, info.bytes));
                    }
                    Ok(())
                },
            ),
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
    Ok(Restored { decoded: decoded?, differing })
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
    /// Says what did not come back. An answer to another question has no text to be compared with.
    pub fn warn(&self, ui: &Ui, own_question: bool) {
        let Decoded { segments, exact, cut_off, .. } = self.decoded;
        let of = human::counted(segments as u64, "segment");
        let differing = segments.saturating_sub(exact);
        if own_question && differing > 0 {
            let mut named: Vec<String> = self
                .differing
                .iter()
                .map(|(index, bytes)| format!("{index} ({})", human::byte_range(bytes)))
                .collect();
            if differing > named.len() {
                named.push(format!("and {} more", human::count((differing - named.len()) as u64)));
            }
            let named = named.join(", ");
            ui.warn(format_args!("{differing} of {of} did not come back exactly: {named}"));
        }
        if cut_off > 0 {
            ui.warn(format_args!("{cut_off} of {of} cut off at the allowed number of tokens"));
        }
    }
}
