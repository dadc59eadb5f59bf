//! Several segments decoded side by side, token by token.

use c3_core::{DecodeRequest, DecodedSegment, Segment, StopReason, segment_hash};
use c3_nn::{KvCache, PromptIds, TextStream};
use candle_core::{DType, Device, Tensor};

use crate::ngram::banned;
use crate::ordered::Ordered;
use crate::promise::{Promise, applies_to};
use crate::sampler::Sampler;
use crate::{C3Decoder, Result};

/// A segment on its way.
struct Row {
    segment: usize,
    hash: Option<u64>, // of the source text, where the text is being reproduced
    limit: usize,
    ids: Vec<u32>, // prompt and answer
    prompt: usize, // length of the prompt in `ids`
    first_key: usize,
    position: u32, // of the token that is computed next
    sampler: Sampler,
    stream: TextStream,
    text: Vec<u8>,
    promise: Option<Promise>, // its text is told of when it is known to be kept
}

/// One batch.
pub(crate) struct Generation<'a, 'b> {
    decoder: &'a C3Decoder,
    no_repeat_ngram: Option<usize>,
    rows: Vec<Row>,
    cache: KvCache,
    logits: Tensor, // [batch, vocab], after the last token of each row
    ordered: &'a mut Ordered<'b>,
}

impl<'a, 'b> Generation<'a, 'b> {
    /// Reads the prompts of `segments` (number, segment, tokens allowed).
    pub fn new(
        decoder: &'a C3Decoder,
        prompt: &PromptIds,
        request: &DecodeRequest,
        reproduces: bool,
        segments: Vec<(usize, Segment, usize)>,
        ordered: &'a mut Ordered<'b>,
    ) -> Result<Self> {
        let latents = segments
            .iter()
            .map(|(_, segment, _)| {
                let shape = (segment.latents.rows(), segment.latents.dim());
                Ok(Tensor::from_vec(segment.latents.to_f32(), shape, &Device::Cpu)?)
            })
            .collect::<Result<Vec<_>>>()?;
        let lengths: Vec<usize> =
            segments.iter().map(|(_, segment, _)| segment.text_tokens as usize).collect();
        let batch = decoder.prompts(&latents, &lengths, prompt)?;
        let prompt_length = batch.embeds.dim(1)?;
        let most = segments.iter().map(|(_, _, limit)| *limit).max().unwrap_or(0);
        let mut cache = decoder.model.kv_cache(segments.len(), prompt_length + most)?;
        let hidden = decoder.model.forward_embeds(
            &batch.embeds,
            &batch.positions,
            &batch.first_key,
            Some(&mut cache),
            1,
        )?;
        let logits = decoder.model.logits(&hidden.squeeze(1)?)?;
        let promised = reproduces && applies_to(request);
        let mut rows = Vec::with_capacity(segments.len());
        for (i, ((number, segment, limit), ids)) in segments.into_iter().zip(batch.ids).enumerate()
        {
            rows.push(Row {
                segment: number,
                hash: reproduces.then_some(segment.hash),
                limit,
                prompt: ids.len(),
                ids,
                first_key: batch.first_key[i],
                position: batch.next_position[i],
                sampler: Sampler::new(&request.sampling, number)?,
                stream: TextStream::new(),
                text: Vec::new(),
                promise: if promised { Promise::of(number, &segment) } else { None },
            });
        }
        let no_repeat_ngram = request.no_repeat_ngram;
        Ok(Self { decoder, no_repeat_ngram, rows, cache, logits, ordered })
    }

    /// Decodes until every segment is done.
    pub fn run(mut self) -> Result<()> {
        loop {
            self.choose()?;
            if self.rows.is_empty() {
                return Ok(());
            }
            self.step()?;
        }
    }

    /// Gives every row its next token; rows that are done leave the batch.
    fn choose(&mut self) -> Result<()> {
        let chosen = self.next_ids()?;
        let mut leaving = Vec::new();
        for (i, (row, mut id)) in self.rows.iter_mut().zip(chosen).enumerate() {
            let position = row.ids.len() - row.prompt;
            if let Some(promise) = &mut row.promise {
                id = promise.token(position, id);
            }
            let ended = row.promise.as_ref().is_some_and(|promise| promise.tokens == position);
            if ended || id == self.decoder.stop {
                leaving.push((i, StopReason::StopToken));
                continue;
            }
            row.ids.push(id);
            // A special token amid text stands for no characters.
            if let Some(bytes) = self.decoder.tokenizer.token_bytes(id) {
                row.text.extend_from_slice(bytes);
                if row.promise.is_none() {
                    let text = row.stream.push(bytes);
                    self.ordered.bytes(row.segment, text.as_bytes())?;
                }
            }
            if row.promise.as_ref().is_some_and(|promise| promise.tokens == position + 1) {
                leaving.push((i, StopReason::StopToken));
            } else if position + 1 == row.limit {
                leaving.push((i, StopReason::MaxNewTokens));
            }
        }
        // From the back, so that swapping the last row in doesn't move one that is still to leave.
        for &(i, _) in leaving.iter().rev() {
            self.cache.swap_remove(i)?;
        }
        let mut left = Vec::with_capacity(leaving.len());
        for (i, stop) in leaving.into_iter().rev() {
            left.push((self.rows.swap_remove(i), stop));
        }
        for (row, stop) in left.into_iter().rev() {
            self.finish(row, stop)?;
        }
        Ok(())
    }

    /// The next token of every row.
    fn next_ids(&mut self) -> Result<Vec<u32>> {
        let greedy = self.rows.iter().all(|row| row.sampler.is_greedy());
        if greedy && self.no_repeat_ngram.is_none() {
            return Ok(c3_nn::arg_max(&self.logits)?.into_iter().map(|(_, id)| id).collect());
        }
        let mut logits = self.logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let next = self.rows.iter_mut().zip(&mut logits).map(|(row, logits)| {
            for id in self.no_repeat_ngram.iter().flat_map(|&n| banned(&row.ids, n)) {
                if let Some(logit) = logits.get_mut(id as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            row.sampler.next(logits)
        });
        Ok(next.collect())
    }

    fn finish(&mut self, mut row: Row, stop: StopReason) -> Result<()> {
        if let Some(promise) = &row.promise {
            row.text = promise.keep(&row.text)?;
            self.ordered.bytes(row.segment, &row.text)?;
        } else {
            let rest = row.stream.finish();
            self.ordered.bytes(row.segment, rest.as_bytes())?;
        }
        self.ordered.done(DecodedSegment {
            index: row.segment,
            tokens: row.ids.split_off(row.prompt),
            stop,
            exact: row.hash == Some(segment_hash(&row.text)),
        })
    }

    /// Computes the logits after the rows' last tokens.
    fn step(&mut self) -> Result<()> {
        let last: Vec<u32> = self.rows.iter().filter_map(|row| row.ids.last().copied()).collect();
        let positions: Vec<u32> = self.rows.iter().map(|row| row.position).collect();
        let first_key: Vec<usize> = self.rows.iter().map(|row| row.first_key).collect();
        let model = &self.decoder.model;
        let x = model.embed(&last)?.unsqueeze(1)?; // [batch, 1, hidden]
        let hidden = model.forward_embeds(&x, &positions, &first_key, Some(&mut self.cache), 1)?;
        self.logits = model.logits(&hidden.squeeze(1)?)?;
        self.rows.iter_mut().for_each(|row| row.position += 1);
        Ok(())
    }
}
