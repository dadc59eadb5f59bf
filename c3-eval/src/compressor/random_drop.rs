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
            let seed = segment_hash(item.text.as_bytes());
            let kept = places(ids.len(), item.budget(), seed);
            let kept: Vec<u32> = kept.into_iter().map(|place| ids[place]).collect();
            let text = self.model.tokenizer().decode_lossy(&kept);
            Restored { text, positions: kept.len(), cut_off: 0 }
        };
        Ok(items.iter().map(restore).collect())
    }
}

/// The places of at most `budget` of `tokens`, drawn with `seed`, in their order.
fn places(tokens: usize, budget: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut places = index::sample(&mut rng, tokens, budget.min(tokens)).into_vec();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_subset_in_its_order() {
        let mut times = [0; 40];
        for seed in 0..2000 {
            let kept = places(40, 10, seed);
            assert_eq!(kept.len(), 10);
            assert!(kept.windows(2).all(|pair| pair[0] < pair[1]) && kept[9] < 40, "{kept:?}");
            kept.iter().for_each(|&place| times[place] += 1);
        }
        // Each place as often as any other: 500 times, give or take five standard deviations.
        assert!(times.iter().all(|times| (403..=597).contains(times)), "{times:?}");
        assert_ne!(places(40, 10, 1), places(40, 10, 2));
        assert_eq!(places(3, 10, 0), [0, 1, 2]);
    }
}
