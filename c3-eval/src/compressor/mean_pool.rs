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
        let x = x.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let stretch = |i: usize| {
            let (start, end) = (i * tokens / means, (i + 1) * tokens / means);
            x.narrow(0, start, end - start)?.mean_keepdim(0)
        };
        let rows = (0..means).map(stretch).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&rows, 0)?)
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
