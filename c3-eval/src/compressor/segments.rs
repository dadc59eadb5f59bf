//! Latents of several texts' segments, decoded side by side.

use std::ops::ControlFlow;

use c3_core::{
    DecodeEvent, DecodeRequest, Decoder, Dtype, EncodeRequest, Encoder, Fidelity, LatentContext,
    LatentTokens, Segment, SourceHasher, StopReason, segment_hash,
};
use candle_core::Tensor;

use super::Restored;
use crate::{Item, MARKERS, Model, Result};

/// Decodes `latents`, a tensor `[n, encoder width]` for each segment of the items in turn, with their
/// values rounded to f16, as `.c3` files hold them.
pub(super) fn decode(
    model: &Model,
    items: &[Item<'_>],
    latents: &[Tensor],
) -> Result<Vec<Restored>> {
    let (mut segments, mut item_of) = (Vec::with_capacity(latents.len()), Vec::new());
    let mut restored = vec![Restored::default(); items.len()];
    let (mut source, mut start) = (SourceHasher::new(), 0);
    let mut of_pieces = latents.iter();
    for (number, item) in items.iter().enumerate() {
        for (piece, latents) in item.pieces.iter().zip(of_pieces.by_ref()) {
            let (rows, dim) = latents.dims2()?;
            let values = latents.flatten_all()?.to_vec1::<f32>()?;
            let end = start + piece.text.len() as u64;
            segments.push(Segment {
                latents: LatentTokens::from_f32(rows, dim, Dtype::F16, &values)?,
                bytes: start..end,
                text_tokens: piece.ids.len() as u32,
                hash: segment_hash(piece.text.as_bytes()),
                fidelity: Fidelity::Unchecked,
                text: None,
            });
            start = end;
            item_of.push(number);
            restored[number].positions += rows + MARKERS;
        }
        source.update(item.text.as_bytes());
    }
    let provenance = model.encoder.provenance(&EncodeRequest::default())?;
    let context = LatentContext::new(provenance, source.finish(), segments)?;
    let request = DecodeRequest { batch: model.batches().decode, ..DecodeRequest::default() };
    model.decoder.decode(&context, &request, &mut |event| {
        match event {
            DecodeEvent::Text { segment, text } => restored[item_of[segment]].text.push_str(text),
            // What was made here is UTF-8.
            DecodeEvent::Bytes { .. } => {}
            DecodeEvent::Segment(segment) => {
                let cut_off = segment.stop == StopReason::MaxNewTokens;
                restored[item_of[segment.index]].cut_off += usize::from(cut_off);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(restored)
}
