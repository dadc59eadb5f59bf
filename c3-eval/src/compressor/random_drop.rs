use c3_core::segment_hash;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::{Compressor, Restored};
use crate::{Item, Model, Result};

/// Tokens of the text at random, in their order, as many as the budget allows, read by the decoder as
/// they are; what comes back is what was kept. The draw is seeded by the text.
pub struct RandomDrop<'m> {
    model: &'m Model,
}

impl<'m> RandomDrop<'m> {
    /// In the model's tokens.
    pub fn new(model: &'m Model) -> Self {
        Self { model }
    }
}

impl Compressor for RandomDrop<'_> {
    fn name(&self) -> &'static str {
        "random_drop"
    }

    fn restore(&self, items: &[Item<'_>]) -> Result<Vec<Restored>> {
        let restore = |item: &Item<'_>| {
            let ids: Vec<u32> =
                item.pieces.iter().flat_map(|piece| piece.ids.iter().copied()).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(segment_hash(item.text.as_bytes()));
            let kept = item.budget().min(ids.len());
            let mut places = index::sample(&mut rng, ids.len(), kept).into_vec();
            places.sort_unstable();
            let kept: Vec<u32> = places.into_iter().map(|place| ids[place]).collect();
            let text = self.model.tokenizer().decode_lossy(&kept);
            Restored { text, positions: kept.len(), cut_off: 0 }
        };
        Ok(items.iter().map(restore).collect())
    }
}
