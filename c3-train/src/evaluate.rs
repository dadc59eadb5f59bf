//! How well the model does on text that it isn't trained on.

use c3_core::{Compression, DecodeEvent, DecodeRequest, Decoder, EncodeRequest, Encoder};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::PromptIds;
use rayon::prelude::*;
use serde::Serialize;

use crate::forward::{Batch, loss};
use crate::{Result, Tokens};

/// The length of short segments: no ratio but 1 and 37 divides it, so that a text's last latent token
/// stands for fewer tokens than the others. A model that has only seen whole shares goes on behind
/// the end of such text.
pub(crate) const SHORT: usize = 37;

/// How well the model does at one ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Text tokens for each latent token.
    pub ratio: u32,
    /// Segments.
    pub segments: usize,
    /// Tokens of each.
    pub length: usize,
    /// Mean cross entropy of their tokens, in nats, each given all before it. A diagnostic alone.
    pub loss: f64,
    /// Mean char similarity of what greedy decoding returns, on its own:
    /// `1 − Levenshtein / longer length`.
    pub similarity: f64,
    /// Share of the segments that come back exactly.
    pub exact: f64,
    /// Mean cross entropy of what follows each segment, in nats, where the model learns to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continued: Option<f64>,
}

/// What is evaluated.
pub(crate) struct Subject<'a> {
    pub encoder: &'a C3Encoder,
    pub decoder: &'a C3Decoder,
    pub prompt: &'a PromptIds,
    pub continuing: Option<&'a PromptIds>,
}

/// Evaluates some segments of `text`, evenly spread over it.
pub(crate) fn evaluate(
    subject: &Subject<'_>,
    text: &Tokens,
    [segments, tokens]: [usize; 2],
    ratio: u32,
) -> Result<Evaluation> {
    let Subject { encoder, decoder, prompt, continuing } = *subject;
    let bank = Bank::choose(encoder.config(), Compression::Ratio(ratio))?;
    let places = (text.len() / tokens).max(1);
    let segments = segments.min(places);
    let start = |i: usize| i * places / segments.max(1) * tokens;
    let ids: Vec<u32> =
        (0..segments).flat_map(|i| text.range(start(i)..start(i) + tokens)).collect();
    let of_text = Batch { ids: &ids, given: &ids, next: None, tokens, bank };
    let of_text = loss(encoder, decoder, prompt, &of_text)?;
    let continued = match continuing {
        Some(prompt) => {
            // The last ones move back, so that something follows.
            let last = text.len().saturating_sub(2 * tokens + 1);
            let start = |i| start(i).min(last);
            let cut = |from: usize, to: usize| -> Vec<u32> {
                (0..segments).flat_map(|i| text.range(start(i) + from..start(i) + to)).collect()
            };
            let ids = cut(0, tokens);
            let (given, next) = (cut(tokens, 2 * tokens), cut(tokens, 2 * tokens + 1));
            // Text of fewer than two segments has no continuation to be measured.
            let whole = next.len() == segments * (tokens + 1);
            let batch = Batch { ids: &ids, given: &given, next: Some(&next), tokens, bank };
            let loss = whole.then(|| loss(encoder, decoder, prompt, &batch)).transpose()?;
            loss.map(|loss| loss.to_scalar::<f32>()).transpose()?.map(f64::from)
        }
        None => None,
    };
    // Side by side: a step of decoding one segment is too small to be shared by threads.
    let returned = ids.par_chunks(tokens).map(|ids| {
        let source = spelled(encoder, ids);
        let returned = round_trip(encoder, decoder, &source, ratio)?;
        Ok((char_similarity(&source, &returned), source == returned))
    });
    let returned = returned.collect::<Result<Vec<(f64, bool)>>>()?;
    let similarity: f64 = returned.iter().map(|(similarity, _)| similarity).sum();
    let exact = returned.iter().filter(|(_, exact)| *exact).count();
    let count = segments.max(1) as f64;
    Ok(Evaluation {
        ratio,
        segments,
        length: tokens,
        loss: f64::from(of_text.to_scalar::<f32>()?),
        similarity: similarity / count,
        exact: exact as f64 / count,
        continued,
    })
}

/// The text of some tokens; a character that they cut in two is replaced.
fn spelled(encoder: &C3Encoder, ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids
        .iter()
        .filter_map(|&id| encoder.tokenizer().token_bytes(id))
        .flatten()
        .copied()
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn round_trip(encoder: &C3Encoder, decoder: &C3Decoder, text: &str, ratio: u32) -> Result<String> {
    let request =
        EncodeRequest { compression: Compression::Ratio(ratio), ..EncodeRequest::default() };
    let context = encoder.encode(text, &request)?;
    let mut returned = String::new();
    decoder.decode(&context, &DecodeRequest::default(), &mut |event| {
        if let DecodeEvent::Text { text, .. } = event {
            returned.push_str(text);
        }
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(returned)
}

fn char_similarity(a: &str, b: &str) -> f64 {
    rapidfuzz::distance::levenshtein::normalized_similarity(a.chars(), b.chars())
}
