//! Segments are decoded side by side; their text is told in the order of the source.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use c3_core::{DecodeEvent, Decoded, DecodedSegment, SourceDigest, SourceHasher, StopReason};

use crate::{Error, Result};

type Sink<'a> = &'a mut dyn FnMut(DecodeEvent<'_>) -> ControlFlow<()>;

/// Holds back what belongs to later segments until the earlier ones are done.
pub(crate) struct Ordered<'a> {
    sink: Sink<'a>,
    told: SourceHasher,
    waiting: VecDeque<Waiting>,
    total: Decoded,
}

#[derive(Default)]
struct Waiting {
    segment: usize,
    bytes: Vec<u8>,
    done: Option<DecodedSegment>,
}

impl<'a> Ordered<'a> {
    pub fn new(sink: Sink<'a>) -> Self {
        let (told, waiting) = (SourceHasher::new(), VecDeque::new());
        Self { sink, told, waiting, total: Decoded::default() }
    }

    /// Announces a segment, in the order of the source.
    pub fn expect(&mut self, segment: usize) {
        self.waiting.push_back(Waiting { segment, ..Waiting::default() });
    }

    /// The next characters of a segment, or all of its bytes.
    pub fn bytes(&mut self, segment: usize, bytes: &[u8]) -> Result<()> {
        match self.waiting.iter_mut().position(|w| w.segment == segment) {
            Some(0) => tell_bytes(self.sink, &mut self.told, segment, bytes),
            Some(place) => {
                self.waiting[place].bytes.extend_from_slice(bytes);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A segment is done; it and those behind it that were waiting for it are told of.
    pub fn done(&mut self, segment: DecodedSegment) -> Result<()> {
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.segment == segment.index) {
            waiting.done = Some(segment);
        }
        while let Some(front) = self.waiting.front_mut() {
            let bytes = std::mem::take(&mut front.bytes);
            tell_bytes(self.sink, &mut self.told, front.segment, &bytes)?;
            let Some(done) = front.done.take() else { break };
            self.waiting.pop_front();
            self.total.segments += 1;
            self.total.exact += usize::from(done.exact);
            self.total.cut_off += usize::from(done.stop == StopReason::MaxNewTokens);
            self.total.tokens += done.tokens.len() as u64;
            tell(self.sink, DecodeEvent::Segment(&done))?;
        }
        Ok(())
    }

    /// What it came to, and the length and hash of all that was told.
    pub fn finish(self) -> (Decoded, SourceDigest) {
        (self.total, self.told.finish())
    }
}

fn tell_bytes(sink: Sink<'_>, told: &mut SourceHasher, segment: usize, bytes: &[u8]) -> Result<()> {
    told.update(bytes);
    match std::str::from_utf8(bytes) {
        Ok("") => Ok(()),
        Ok(text) => tell(sink, DecodeEvent::Text { segment, text }),
        Err(_) => tell(sink, DecodeEvent::Bytes { segment, bytes }),
    }
}

fn tell(sink: Sink<'_>, event: DecodeEvent<'_>) -> Result<()> {
    match sink(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(index: usize, exact: bool) -> DecodedSegment {
        DecodedSegment { index, tokens: vec![1, 2], stop: StopReason::StopToken, exact }
    }

    #[test]
    fn later_segments_wait_for_earlier_ones() {
        let mut told = Vec::new();
        let mut sink = |event: DecodeEvent<'_>| {
            told.push(match event {
                DecodeEvent::Text { segment, text } => format!("{segment}:{text}"),
                DecodeEvent::Bytes { segment, bytes } => format!("{segment}:{bytes:?}"),
                DecodeEvent::Segment(segment) => format!("{} done", segment.index),
            });
            ControlFlow::Continue(())
        };
        let mut ordered = Ordered::new(&mut sink);
        ordered.expect(4);
        ordered.expect(5);
        ordered.bytes(5, b"b\xff").unwrap();
        ordered.done(done(5, true)).unwrap();
        ordered.bytes(4, b"a").unwrap();
        ordered.done(done(4, false)).unwrap();
        let (total, source) = ordered.finish();
        let mut hasher = SourceHasher::new();
        hasher.update(b"ab\xff");
        assert_eq!(source, hasher.finish());
        assert_eq!(told, ["4:a", "4 done", "5:[98, 255]", "5 done"]);
        assert_eq!(total, Decoded { segments: 2, exact: 1, cut_off: 0, tokens: 4 });
    }

    #[test]
    fn a_sink_can_break_off() {
        let mut sink = |_: DecodeEvent<'_>| ControlFlow::Break(());
        let mut ordered = Ordered::new(&mut sink);
        ordered.expect(0);
        assert!(matches!(ordered.bytes(0, b"a"), Err(Error::Cancelled)));
    }
}
