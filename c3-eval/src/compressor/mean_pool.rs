use c3_encoder::{Bank, Piece};
use candle_core::{DType, Device, Tensor};

use super::{Compressor, Restored, segments};
use crate::{Item, Model, Result};

/// Means of the encoder's token embeddings over stretches of the text, in place of latents: what the
/// same decoder makes of the plainest compression in the same number of positions. It was never
/// trained to read them.
pub struct MeanPool<'m> {
    model: &'m Model,
}

impl<'m> MeanPool<'m> {
    /// With the embeddings of the model's encoder, and its decoder.
    pub fn new(model: &'m Model) -> Self {
        Self { model }
    }

    /// As many means as the bank has latents for the piece: `[latents, encoder width]`.
    fn means(&self, piece: &Piece, bank: &Bank) -> Result<Tensor> {
        let tokens = piece.ids.len();
        let means = bank.latents(tokens).min(tokens);
        let x = self.model.encoder.model().embed(&piece.ids)?; // [tokens, hidden]
        Ok(pooled(&x.to_dtype(DType::F32)?.to_device(&Device::Cpu)?, means)?)
    }
}

impl Compressor for MeanPool<'_> {
    fn name(&self) -> &'static str {
        "mean_pool"
    }

    fn restore(&self, items: &[Item<'_>]) -> Result<Vec<Restored>> {
        let pieces = items.iter().flat_map(|item| item.pieces.iter().map(|p| (p, &item.bank)));
        let means = pieces.map(|(piece, bank)| self.means(piece, bank));
        let means = means.collect::<Result<Vec<_>>>()?;
        segments::decode(self.model, items, &means)
    }
}

/// `means` means of the rows of `x`, over stretches whose lengths differ by one at most.
fn pooled(x: &Tensor, means: usize) -> candle_core::Result<Tensor> {
    let tokens = x.dim(0)?;
    let stretch = |i: usize| {
        let (start, end) = (i * tokens / means, (i + 1) * tokens / means);
        x.narrow(0, start, end - start)?.mean_keepdim(0)
    };
    let rows = (0..means).map(stretch).collect::<candle_core::Result<Vec<_>>>()?;
    Tensor::cat(&rows, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_their_stretches() {
        let rows: Vec<f32> = (0..7).flat_map(|i| [i as f32, (i * i) as f32]).collect();
        let x = Tensor::from_vec(rows, (7, 2), &Device::Cpu).unwrap();
        // Of three: two, two and three rows.
        for (means, expected) in [
            (1, vec![[3.0, 13.0]]),
            (3, vec![[0.5, 0.5], [2.5, 6.5], [5.0, 77.0 / 3.0]]),
            (7, (0..7).map(|i| [i as f32, (i * i) as f32]).collect()),
        ] {
            let found = pooled(&x, means).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(found.len(), means);
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
            }
        }
    }
}
