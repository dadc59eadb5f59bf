use super::{Compressor, Restored, segments};
use crate::{Item, Model, Result};

/// Segments encoded together at most.
const BATCH: usize = 16;

/// Context Cascade Compression itself: latents stored in f16 and decoded greedily.
pub struct C3<'m> {
    model: &'m Model,
}

impl<'m> C3<'m> {
    /// With the model's own encoder and decoder.
    pub fn new(model: &'m Model) -> Self {
        Self { model }
    }
}

impl Compressor for C3<'_> {
    fn name(&self) -> &'static str {
        "c3"
    }

    fn restore(&self, items: &[Item<'_>]) -> Result<Vec<Restored>> {
        let Some(first) = items.first() else { return Ok(Vec::new()) };
        let ids: Vec<&[u32]> =
            items.iter().flat_map(|item| &item.pieces).map(|piece| piece.ids.as_slice()).collect();
        let mut latents = Vec::with_capacity(ids.len());
        let batch = self.model.batches().encode.unwrap_or(BATCH).clamp(1, BATCH);
        for batch in ids.chunks(batch) {
            latents.extend(self.model.encoder.latents(batch, &first.bank)?);
        }
        segments::decode(self.model, items, &latents)
    }
}
