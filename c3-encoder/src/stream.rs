//! A text of any length through the encoder: while one batch is computed, the next one is read and
//! tokenised.

use std::io::Read;
use std::ops::ControlFlow;

use c3_core::{
    EncodeRequest, Fidelity, LatentTokens, Segment, SourceDigest, SourceHasher, segment_hash,
};

use crate::segment::{Piece, Segmenter, SegmenterOptions};
use crate::window::Window;
use crate::{Bank, C3Encoder, Error, Result};

/// Text tokens computed together where the caller doesn't say: enough to fill the matrix products,
/// few enough that a batch's hidden states stay small.
const BATCH_TOKENS: usize = 4096;

/// What `Encoder::encode_stream` does.
///
/// The calling thread computes and tells the sink, a thread of the pool reads and tokenises
/// meanwhile. The other way round, any thread of the pool would come to compute, and each would keep
/// a batch's memory for its next one: 65 MB more with the built-in model and two threads. Where the text can't be read on, the whole batches before are still computed and told of.
pub(crate) fn encode(
    encoder: &C3Encoder,
    text: &mut (dyn Read + Send),
    request: &EncodeRequest,
    sink: &mut dyn FnMut(Segment) -> ControlFlow<()>,
) -> Result<SourceDigest> {
    let bank = Bank::choose(encoder.config(), request.compression)?;
    let batch = request.batch.unwrap_or_else(|| default_batch(&bank));
    if batch == 0 {
        return Err(Error::EmptyBatch);
    }
    let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: request.lossy };
    let mut gatherer = Gatherer {
        segmenter: Segmenter::new(text, encoder.tokenizer(), options)?,
        source: SourceHasher::new(),
        ended: false,
        error: None,
    };
    let mut window = Window::new(batch);
    gatherer.fill(&mut window);
    while !window.is_empty() {
        let (places, pieces): (Vec<_>, Vec<_>) = window.next_batch().into_iter().unzip();
        let segments = if gatherer.ended {
            compute(encoder, pieces, &bank, request)
        } else {
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| gatherer.fill(&mut window));
                compute(encoder, pieces, &bank, request)
            })
        };
        for (place, segment) in places.into_iter().zip(segments?) {
            window.done(place, segment);
        }
        while let Some(segment) = window.pop_done() {
            if sink(segment).is_break() {
                return Err(Error::Cancelled);
            }
        }
    }
    gatherer.finish()
}

/// Segments of `bank` computed together where the caller doesn't say.
pub(crate) fn default_batch(bank: &Bank) -> usize {
    (BATCH_TOKENS / bank.segment_tokens).clamp(1, 64)
}

/// Reads the text, up to its end or to where it can't be read.
struct Gatherer<'t, R> {
    segmenter: Segmenter<'t, R>,
    source: SourceHasher,
    ended: bool,
    error: Option<Error>,
}

impl<R: Read> Gatherer<'_, R> {
    /// Reads until the window is full.
    fn fill(&mut self, window: &mut Window) {
        while !self.ended && !window.is_full() {
            match self.segmenter.next() {
                Some(Ok(piece)) => {
                    self.source.update(piece.text.as_bytes());
                    window.push(piece);
                }
                Some(Err(error)) => {
                    window.drop_incomplete();
                    self.error = Some(error);
                    self.ended = true;
                }
                None => self.ended = true,
            }
        }
    }

    fn finish(self) -> Result<SourceDigest> {
        self.error.map_or_else(|| Ok(self.source.finish()), Err)
    }
}

/// Encodes the pieces of one batch.
fn compute(
    encoder: &C3Encoder,
    pieces: Vec<Piece>,
    bank: &Bank,
    request: &EncodeRequest,
) -> Result<Vec<Segment>> {
    let ids: Vec<&[u32]> = pieces.iter().map(|piece| piece.ids.as_slice()).collect();
    let latents = encoder.latents(&ids, bank)?;
    let segment = |(piece, latents): (Piece, candle_core::Tensor)| {
        let (rows, dim) = latents.dims2()?;
        let values = latents.flatten_all()?.to_vec1::<f32>()?;
        Ok(Segment {
            latents: LatentTokens::from_f32(rows, dim, request.dtype, &values)?,
            bytes: piece.bytes,
            text_tokens: piece.ids.len() as u32,
            hash: segment_hash(piece.text.as_bytes()),
            fidelity: Fidelity::Unchecked,
            text: None,
        })
    };
    pieces.into_iter().zip(latents).map(segment).collect()
}
