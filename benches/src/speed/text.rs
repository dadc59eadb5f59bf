//! Whole texts, both ways.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use c3_core::{Compression, DecodeRequest, Decoder, EncodeRequest, Encoder};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};

use super::Answer;

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
}

pub(super) fn roundtrip(
    encoder: &C3Encoder,
    decoder: &C3Decoder,
    file: &Path,
    ratio: u32,
    batch: Option<usize>,
) -> Result<Answer> {
    let text = read(file)?;
    let compression = Compression::Ratio(ratio);
    let request = EncodeRequest { compression, ..EncodeRequest::default() };
    let start = Instant::now();
    let context = encoder.encode(&text, &request)?;
    let encode_seconds = start.elapsed().as_secs_f64();
    let request = DecodeRequest { batch, ..DecodeRequest::default() };
    let decoded = decoder.decode(&context, &request, &mut |_| ControlFlow::Continue(()))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer {
        seconds,
        encode_seconds: Some(encode_seconds),
        tokens: Some(context.segments().iter().map(|s| u64::from(s.text_tokens)).sum()),
        bytes: Some(text.len() as u64),
        generated: Some(decoded.tokens),
        exact: Some(decoded.exact),
        ..Answer::default()
    })
}

/// Segmenting and tokenising is all that is timed here.
pub(super) fn segments(encoder: &C3Encoder, file: &Path, ratio: u32) -> Result<Answer> {
    let text = read(file)?;
    let bank = Bank::choose(encoder.config(), Compression::Ratio(ratio))?;
    let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: false };
    let start = Instant::now();
    let pieces = Segmenter::new(text.as_bytes(), encoder.tokenizer(), options)?;
    let segments = pieces.map(|piece| Ok(piece?.ids)).collect::<Result<Vec<_>>>()?;
    Ok(Answer {
        seconds: start.elapsed().as_secs_f64(),
        tokens: Some(segments.iter().map(|ids| ids.len() as u64).sum()),
        bytes: Some(text.len() as u64),
        segments: Some(segments),
        ..Answer::default()
    })
}
