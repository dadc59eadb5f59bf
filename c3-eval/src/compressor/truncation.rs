use super::{Compressor, Restored};
use crate::{Item, Model, Result};

/// The beginning of the text, as many of its tokens as the budget allows, read by the decoder as they
/// are. What comes back is what was kept: the best that any decoder can do with it without guessing.
pub struct Truncation<'m> {
    model: &'m Model,
}

impl<'m> Truncation<'m> {
    /// In the model's tokens.
    pub fn new(model: &'m Model) -> Self {
        Self { model }
    }
}

impl Compressor for Truncation<'_> {
    fn name(&self) -> &'static str {
        "truncation"
    }

    fn restore(&self, items: &[Item<'_>]) -> Result<Vec<Restored>> {
        let restore = |item: &Item<'_>| {
            let ids = item.pieces.iter().flat_map(|piece| piece.ids.iter().copied());
            let kept: Vec<u32> = ids.take(item.budget()).collect();
            let text = self.model.tokenizer().decode_lossy(&kept);
            Restored { text, positions: kept.len(), cut_off: 0 }
        };
        Ok(items.iter().map(restore).collect())
    }
}
