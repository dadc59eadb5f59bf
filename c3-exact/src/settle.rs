//! Which bank each segment gets: of those that do what was asked the one that takes the fewest
//! positions, corrections and patches counted, else the segment is split, and at last kept as text.

use std::collections::BTreeMap;

use c3_core::{LatentTokens, Segment};
use c3_decoder::{C3Decoder, Verification};
use c3_encoder::{Bank, C3Encoder};
use candle_core::{Device, Tensor};

use crate::candidate::{Candidate, MARKERS, misspellings_of, verbatim};
use crate::source::Item;
use crate::{CompressRequest, Level, Result};

/// How segments are settled: the models, and a request with all its choices made.
pub(crate) struct Settler<'a> {
    pub encoder: &'a C3Encoder,
    pub decoder: &'a C3Decoder,
    pub request: &'a CompressRequest,
    /// The one with the fewest latents first.
    pub banks: Vec<Bank>,
    pub batch: usize,
    /// What a token's lead must exceed for it to count as certain.
    pub margin: f32,
}

/// A segment, and how it came about.
pub(crate) struct Settled {
    pub segment: Segment,
    /// `None` where it is kept as text.
    pub bank: Option<Bank>,
    /// Whether it is a part of a segment that was split.
    pub split: bool,
}

impl Settler<'_> {
    /// The segments that `items` become, each one or, where it was split, several.
    pub fn settle(&self, items: Vec<Item>) -> Result<Vec<Vec<Settled>>> {
        let mut settled: Vec<Vec<Settled>> = Vec::new();
        settled.resize_with(items.len(), Vec::new);
        let mut failed = Vec::new();
        for rows in self.batches(&items) {
            let batch: Vec<&Item> = rows.iter().map(|&row| &items[row]).collect();
            let mut best: BTreeMap<usize, Candidate> = BTreeMap::new();
            for (&bank, latents) in self.banks.iter().zip(self.latents(&batch)?) {
                // A bank whose latents alone take as many positions as another one's all needn't be
                // tried.
                let may_be_better = |(row, latents): &(usize, LatentTokens)| {
                    let least = latents.rows() as u64 + MARKERS;
                    best.get(row).is_none_or(|best| least < best.positions())
                };
                let open = rows.iter().copied().zip(latents).filter(may_be_better).collect();
                for (row, candidate) in self.candidates(bank, open, &items)? {
                    let positions = candidate.positions();
                    let better = best.get(&row).is_none_or(|best| positions < best.positions());
                    if better && self.honours(&candidate, &items[row]) {
                        best.insert(row, candidate);
                    }
                }
            }
            for row in rows {
                match best.remove(&row) {
                    Some(candidate) => settled[row].push(self.accept(candidate, &items[row])?),
                    None => failed.push(row),
                }
            }
        }
        // In the order of the text, so that what is done doesn't depend on how it was batched.
        failed.sort_unstable();
        let (mut parts, mut parents) = (Vec::new(), Vec::new());
        for row in failed {
            match items[row].halves(self.encoder.tokenizer())? {
                Some(halves) => {
                    parents.extend(std::iter::repeat_n(row, halves.len()));
                    parts.extend(halves);
                }
                None => {
                    let segment = self.verbatim(&items[row])?;
                    settled[row].push(Settled { segment, bank: None, split: false });
                }
            }
        }
        if !parts.is_empty() {
            for (row, part) in parents.into_iter().zip(self.settle(parts)?) {
                settled[row].extend(part.into_iter().map(|part| Settled { split: true, ..part }));
            }
        }
        Ok(settled)
    }

    /// Numbers of items that are computed together: those of similar length.
    pub fn batches(&self, items: &[Item]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&row| items[row].ids.len()); // stable
        order.chunks(self.batch).map(<[usize]>::to_vec).collect()
    }

    /// The latents of a batch from each bank, as they are stored.
    pub fn latents(&self, batch: &[&Item]) -> Result<Vec<Vec<LatentTokens>>> {
        let ids: Vec<&[u32]> = batch.iter().map(|item| item.ids.as_slice()).collect();
        let latents = match self.banks.as_slice() {
            [bank] => vec![self.encoder.latents(&ids, bank)?],
            banks => self.encoder.latents_of_banks(&ids, banks)?,
        };
        let stored = |latents: Tensor| {
            let (rows, dim) = latents.dims2()?;
            let values = latents.flatten_all()?.to_vec1::<f32>()?;
            Ok(LatentTokens::from_f32(rows, dim, self.request.dtype, &values)?)
        };
        latents
            .into_iter()
            .map(|of_bank| of_bank.into_iter().map(stored).collect::<Result<Vec<_>>>())
            .collect()
    }

    /// What becomes of some items with latents of `bank`.
    pub fn candidates(
        &self,
        bank: Bank,
        latents: Vec<(usize, LatentTokens)>,
        items: &[Item],
    ) -> Result<Vec<(usize, Candidate)>> {
        let batch: Vec<&Item> = latents.iter().map(|(row, _)| &items[*row]).collect();
        let verified = self.verify(&latents, &batch)?;
        let misspelt = misspellings_of(self.encoder.tokenizer(), &batch)?;
        let misspelt = misspelt.iter().map(Vec::as_slice);
        let all = latents.into_iter().zip(batch).zip(verified.iter().zip(misspelt));
        let candidate = |(((row, latents), item), (verified, misspelt))| {
            let candidate = match self.request.level {
                Level::Checked { .. } => {
                    Candidate::checked(bank, latents, item, verified, self.margin, misspelt)
                }
                Level::Exact { .. } => {
                    Candidate::exact(bank, latents, item, verified, self.margin, misspelt)
                }
            };
            (row, candidate)
        };
        Ok(all.map(candidate).collect())
    }

    /// What the decoder makes of latents as they are stored.
    fn verify(
        &self,
        latents: &[(usize, LatentTokens)],
        batch: &[&Item],
    ) -> Result<Vec<Verification>> {
        let tensor = |(_, latents): &(usize, LatentTokens)| {
            let shape = (latents.rows(), latents.dim());
            Tensor::from_vec(latents.to_f32(), shape, &Device::Cpu)
        };
        let latents: Vec<Tensor> =
            latents.iter().map(tensor).collect::<candle_core::Result<_>>()?;
        let texts: Vec<&[u32]> = batch.iter().map(|item| item.ids.as_slice()).collect();
        Ok(self.decoder.verify(&latents, &texts)?)
    }

    /// Whether it does what was asked.
    fn honours(&self, candidate: &Candidate, item: &Item) -> bool {
        match self.request.level {
            Level::Checked { min_precision: Some(least), .. } => candidate.precision(item) >= least,
            Level::Exact { max_corrections: Some(most) } => {
                candidate.wrong as f64 <= most * item.ids.len() as f64
            }
            Level::Checked { .. } | Level::Exact { .. } => true,
        }
    }

    /// Takes a candidate, or the text itself where that takes no more positions and something is to
    /// be kept of it.
    fn accept(&self, candidate: Candidate, item: &Item) -> Result<Settled> {
        let text_is_cheaper = candidate.positions() >= item.ids.len() as u64;
        let kept = match self.request.level {
            Level::Checked { min_precision, .. } => min_precision.is_some(),
            Level::Exact { .. } => true,
        };
        if text_is_cheaper && kept {
            let segment = self.verbatim(item)?;
            return Ok(Settled { segment, bank: None, split: false });
        }
        let bank = Some(candidate.bank);
        Ok(Settled { segment: candidate.segment(item), bank, split: false })
    }

    fn verbatim(&self, item: &Item) -> Result<Segment> {
        verbatim(item, self.encoder.config().encoder.hidden_size, self.request.dtype)
    }
}

#[cfg(test)]
mod tests;
