//! The two stages: text to latents, latents to text. Plain data in and out, a push sink for
//! whatever is long, no async; `&self`, so that one model serves many threads.

use std::error::Error as StdError;
use std::io::Read;
use std::ops::{ControlFlow, Range};

use crate::{Dtype, LatentContext, Provenance, Segment, SegmentSource, SourceDigest};

/// How many latent tokens a text may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What the model does when nothing is asked of it.
    #[default]
    Default,
    /// So many text tokens for each latent token.
    Ratio(u32),
    /// So many latent tokens for each full segment.
    Latents(u32),
}

/// How a text is to be compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeRequest {
    /// How many latent tokens it may have.
    pub compression: Compression,
    /// How they are stored.
    pub dtype: Dtype,
    /// Segments computed together; `None` lets the encoder choose.
    pub batch: Option<usize>,
    /// Replace what is not UTF-8 by U+FFFD instead of refusing it. The text as replaced then is
    /// the source that offsets and hashes speak of.
    pub lossy: bool,
}

impl Default for EncodeRequest {
    fn default() -> Self {
        Self { compression: Compression::Default, dtype: Dtype::F16, batch: None, lossy: false }
    }
}

/// Text to latent tokens.
pub trait Encoder {
    /// What can go wrong.
    type Error: StdError + Send + Sync + 'static;

    /// What the latents made for `request` will say of their origin.
    ///
    /// # Errors
    /// Where the model can't compress as asked.
    fn provenance(&self, request: &EncodeRequest) -> Result<Provenance, Self::Error>;

    /// Compresses a UTF-8 text of any length, in memory bounded by the model and one batch.
    /// Segments go to `sink`, on the calling thread, in the order of the text as soon as they are
    /// made; the text may be read on another thread meanwhile.
    ///
    /// # Errors
    /// Where the text can't be read or is not UTF-8, the model can't compress as asked, or `sink`
    /// broke off.
    fn encode_stream(
        &self,
        text: &mut (dyn Read + Send),
        request: &EncodeRequest,
        sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
    ) -> Result<SourceDigest, Self::Error>;

    /// Compresses a text that is in memory.
    ///
    /// # Errors
    /// As [`encode_stream`](Self::encode_stream).
    fn encode(&self, text: &str, request: &EncodeRequest) -> Result<LatentContext, Self::Error>
    where
        Self::Error: From<crate::Error>,
    {
        let mut segments = Vec::new();
        let source = self.encode_stream(&mut text.as_bytes(), request, &mut |segment| {
            segments.push(segment);
            ControlFlow::Continue(())
        })?;
        Ok(LatentContext::new(self.provenance(request)?, source, segments)?)
    }
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampling {
    /// The likeliest one; of equals, the one with the lower id.
    #[default]
    Greedy,
    /// At random from the smallest set of tokens whose probabilities reach `top_p`.
    TopP {
        /// Divides the logits; above 0.
        temperature: f32,
        /// Above 0, at most 1 (all tokens).
        top_p: f32,
        /// Every segment draws from a stream of its own, so that results don't depend on batches.
        seed: u64,
    },
}

/// How latents are to be turned into text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodeRequest {
    /// Asked instead of the model's own question.
    pub question: Option<String>,
    /// Tokens a segment may yield, as far as the model has positions for them; `None` lets the
    /// decoder choose from the length of the segment.
    pub max_new_tokens: Option<usize>,
    /// Forbids runs of so many tokens to occur twice in prompt and output together, as the
    /// authors' code does with 20; `None` allows them.
    pub no_repeat_ngram: Option<usize>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Segments decoded together; `None` lets the decoder choose.
    pub batch: Option<usize>,
    /// Decode the first segment alone, then twice as many with each batch, up to `batch`: for a sink
    /// that may break off early. Segments of a batch are decoded side by side, so that all of them
    /// are nearly done when the first one is told of.
    pub gradual: bool,
    /// Which segments; `None` is all.
    pub segments: Option<Range<usize>>,
    /// Decode latents of another encoder all the same.
    pub any_fingerprint: bool,
}

/// Why a segment's text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The model said so.
    StopToken,
    /// As many tokens as were allowed.
    MaxNewTokens,
}

/// One segment's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedSegment {
    /// Number of the segment, from 0.
    pub index: usize,
    /// Ids of the generated tokens, without the stop token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub stop: StopReason,
    /// Whether the text hashes to what the segment's source did. Always false for an answer to
    /// another question than the model's own.
    pub exact: bool,
}

/// What a decoder says while it works, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeEvent<'a> {
    /// The next piece of a segment's text; whole characters only.
    Text {
        /// Number of the segment.
        segment: usize,
        /// Its next characters.
        text: &'a str,
    },
    /// A whole segment whose source is not UTF-8: it was stored as exact, or as text.
    Bytes {
        /// Number of the segment.
        segment: usize,
        /// Its source bytes.
        bytes: &'a [u8],
    },
    /// A segment is done.
    Segment(&'a DecodedSegment),
}

/// What decoding came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Segments decoded.
    pub segments: usize,
    /// Of these, those whose text hashes to what their source did.
    pub exact: usize,
    /// Of these, those that were cut off at the allowed number of tokens.
    pub cut_off: usize,
    /// Tokens generated, stop tokens not counted.
    pub tokens: u64,
}

/// Latent tokens to text.
pub trait Decoder {
    /// What can go wrong.
    type Error: StdError + Send + Sync + 'static;

    /// Decodes the segments that `request` names, in memory bounded by the model and one batch.
    ///
    /// `sink` is told of every event in the order of the text and may break off between tokens.
    /// What [is promised](crate::Fidelity::is_promise) is told of once it hashes to what the source
    /// did: no other text is ever passed on as exact. Another question, sampling, a ban or a limit
    /// ask for something that nobody promised.
    ///
    /// # Errors
    /// Where the latents are another encoder's, a segment can't be read or does not come back though
    /// it was promised, or `sink` broke off.
    fn decode(
        &self,
        context: &dyn SegmentSource,
        request: &DecodeRequest,
        sink: &mut dyn FnMut(DecodeEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Decoded, Self::Error>;

    /// Decodes into bytes.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_to_bytes(
        &self,
        context: &dyn SegmentSource,
        request: &DecodeRequest,
    ) -> Result<Vec<u8>, Self::Error> {
        let mut out = Vec::new();
        self.decode(context, request, &mut |event| {
            match event {
                DecodeEvent::Text { text, .. } => out.extend_from_slice(text.as_bytes()),
                DecodeEvent::Bytes { bytes, .. } => out.extend_from_slice(bytes),
                DecodeEvent::Segment(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// Decodes into a string; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_to_string(
        &self,
        context: &dyn SegmentSource,
        request: &DecodeRequest,
    ) -> Result<String, Self::Error> {
        let bytes = self.decode_to_bytes(context, request)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}
