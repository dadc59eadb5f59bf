//! Both stages at compression time: the encoder compresses, the decoder says what will come back.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use c3_core::{Encoder, LatentContext, Provenance, Segment, SourceDigest, SourceHasher};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;

use crate::settle::{Settled, Settler};
use crate::source::{Item, Items};
use crate::{CompressRequest, Error, Level, Result, budget};

/// Batches of segments that are read before any is computed: batches are of similar length then.
const BATCHES: usize = 4;

/// Compresses text and knows what will come back of it.
pub struct Compressor<'a> {
    encoder: &'a C3Encoder,
    decoder: &'a C3Decoder,
}

/// What a compressor says while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// So many bytes of the source were tried; their segments come when all have been.
    Tried {
        /// From the start of the source.
        bytes: u64,
    },
    /// The next segment.
    Segment(Segment),
}

/// What compressing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// Segments for each bank, by its number of context queries.
    pub banks: BTreeMap<usize, u64>,
    /// Segments that are kept as text.
    pub verbatim: u64,
    /// Segments that are parts of what was split.
    pub split: u64,
}

impl<'a> Compressor<'a> {
    /// A compressor with the two stages of one model, whose weights are in memory as they will be
    /// when the text is decoded: in other formats other tokens are likeliest.
    ///
    /// # Errors
    /// [`Error::DifferentModels`].
    pub fn new(encoder: &'a C3Encoder, decoder: &'a C3Decoder) -> Result<Self> {
        let made = encoder.provenance(&c3_core::EncodeRequest::default())?.fingerprint;
        match decoder.fingerprint() {
            Some(fingerprint) if fingerprint != made => Err(Error::DifferentModels),
            _ => Ok(Self { encoder, decoder }),
        }
    }

    /// What the latents made for `request` will say of their origin, and of the decoder that verified
    /// them if it knows [its identity](C3Decoder::identify).
    ///
    /// # Errors
    /// Where the model can't compress as asked.
    pub fn provenance(&self, request: &CompressRequest) -> Result<Provenance> {
        let mut provenance = self.encoder.provenance(&request.encode())?;
        if let Some(identity) = self.decoder.identity() {
            provenance.set_verified_by(identity);
            provenance.set_verified_with(self.decoder.kept());
        }
        Ok(provenance)
    }

    /// Compresses a text of any length. Events go to `sink` in the order of the text. The source's
    /// hasher comes back as well: what is appended later goes on from it.
    ///
    /// Memory is bounded by the models and one batch, but for a [budget](Level::Checked), for which
    /// all is tried before anything is chosen.
    ///
    /// # Errors
    /// Where the text can't be read or is not UTF-8 at a level that needs it, the model can't
    /// compress as asked, or `sink` broke off.
    pub fn compress(
        &self,
        text: &mut dyn Read,
        request: &CompressRequest,
        sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(SourceHasher, Compressed)> {
        request.check()?;
        let banks = request.banks(self.encoder.config())?;
        let Some(&first) = banks.first() else { return Err(Error::DifferentModels) };
        let settler = Settler {
            encoder: self.encoder,
            decoder: self.decoder,
            request,
            batch: request.batch.unwrap_or_else(|| first.default_batch()),
            banks,
            margin: request.margin.unwrap_or_else(|| self.decoder.margin()),
        };
        let raw = matches!(request.level, Level::Exact { .. });
        let tokenizer = self.encoder.tokenizer();
        let mut items = Items::new(text, tokenizer, first.segment_tokens, raw, request.lossy)?;
        let mut source = SourceHasher::new();
        let mut told = Told { sink, compressed: Compressed::default() };
        if let Level::Checked { budget: Some(budget), .. } = request.level {
            budget::settle(&settler, &mut items, budget, &mut source, &mut told)?;
            return Ok((source, told.compressed));
        }
        loop {
            let window = window(&mut items, settler.batch, &mut source)?;
            if window.is_empty() {
                return Ok((source, told.compressed));
            }
            for settled in settler.settle(window)?.into_iter().flatten() {
                told.segment(settled)?;
            }
        }
    }

    /// Compresses a text that is in memory.
    ///
    /// # Errors
    /// As [`compress`](Self::compress).
    pub fn compress_bytes(&self, text: &[u8], request: &CompressRequest) -> Result<LatentContext> {
        let mut segments = Vec::new();
        let (source, _) = self.compress(&mut &*text, request, &mut |event| {
            if let Event::Segment(segment) = event {
                segments.push(segment);
            }
            ControlFlow::Continue(())
        })?;
        let source: SourceDigest = source.finish();
        Ok(LatentContext::new(self.provenance(request)?, source, segments)?)
    }
}

/// Reads the segments of the next few batches.
pub(crate) fn window<R: Read>(
    items: &mut Items<'_, R>,
    batch: usize,
    source: &mut SourceHasher,
) -> Result<Vec<Item>> {
    let window: Vec<Item> = items.take(batch.saturating_mul(BATCHES)).collect::<Result<_>>()?;
    window.iter().for_each(|item| source.update(item.source()));
    Ok(window)
}

/// The sink, and what it was told.
pub(crate) struct Told<'a> {
    sink: &'a mut dyn FnMut(Event) -> ControlFlow<()>,
    compressed: Compressed,
}

impl Told<'_> {
    pub fn segment(&mut self, Settled { segment, bank, split }: Settled) -> Result<()> {
        match bank {
            Some(bank) => *self.compressed.banks.entry(bank.queries).or_default() += 1,
            None => self.compressed.verbatim += 1,
        }
        self.compressed.split += u64::from(split);
        self.event(Event::Segment(segment))
    }

    pub fn event(&mut self, event: Event) -> Result<()> {
        if (self.sink)(event).is_break() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
