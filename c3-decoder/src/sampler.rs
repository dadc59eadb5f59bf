//! The choice of the next token.

use c3_core::Sampling;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

/// Chooses tokens for one segment.
pub(crate) enum Sampler {
    Greedy,
    TopP { temperature: f32, top_p: f32, rng: Box<ChaCha8Rng> },
}

impl Sampler {
    /// A sampler whose random numbers depend on the seed and the segment's number alone.
    pub fn new(sampling: &Sampling, segment: usize) -> Result<Self> {
        let Sampling::TopP { temperature, top_p, seed } = *sampling else {
            return Ok(Self::Greedy);
        };
        if !(temperature.is_finite() && temperature > 0.0) {
            let found = temperature.to_string();
            return Err(Error::Setting {
                name: "temperature",
                expected: "a number above 0",
                found,
            });
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            let found = top_p.to_string();
            return Err(Error::Setting {
                name: "top-p",
                expected: "a number above 0 and at most 1",
                found,
            });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(segment as u64);
        Ok(Self::TopP { temperature, top_p, rng: Box::new(rng) })
    }

    /// Whether it takes the likeliest token.
    pub fn is_greedy(&self) -> bool {
        matches!(self, Self::Greedy)
    }

    /// The next token's id. `logits` is `[vocab]`.
    pub fn next(&mut self, logits: &[f32]) -> u32 {
        match self {
            Self::Greedy => arg_max(logits),
            Self::TopP { temperature, top_p, rng } => {
                nucleus(logits, *temperature, *top_p, rng.random::<f32>())
            }
        }
    }
}

/// The likeliest token; of equals, the one with the lower id.
pub(crate) fn arg_max(logits: &[f32]) -> u32 {
    let mut best = (f32::NEG_INFINITY, 0);
    for (id, &logit) in logits.iter().enumerate() {
        if logit > best.0 {
            best = (logit, id as u32);
        }
    }
    best.1
}

/// Holtzman et al. 2020 (arXiv 1904.09751): the smallest set of the likeliest tokens whose
/// probabilities reach `top_p`, and of these the one at which `draw`, from 0 to 1, falls.
fn nucleus(logits: &[f32], temperature: f32, top_p: f32, draw: f32) -> u32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut tokens: Vec<(u32, f32)> = (0..)
        .zip(logits)
        .map(|(id, &logit)| (id, ((logit - top) / temperature).exp()))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    tokens.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let total: f32 = tokens.iter().map(|(_, weight)| weight).sum();
    let mut kept = 0.0;
    let enough = tokens.iter().position(|(_, weight)| {
        kept += weight;
        kept >= top_p * total
    });
    tokens.truncate(enough.map_or(tokens.len(), |last| last + 1));
    let mut left = draw * tokens.iter().map(|(_, weight)| weight).sum::<f32>();
    for (id, weight) in &tokens {
        left -= weight;
        if left < 0.0 {
            return *id;
        }
    }
    tokens.last().map_or(0, |(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_id() {
        assert_eq!(arg_max(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(arg_max(&[f32::NAN, 0.0]), 1);
    }

    #[test]
    fn nucleus_keeps_the_smallest_set() {
        let logits = [0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln(), f32::NEG_INFINITY];
        let at = |top_p, draw| nucleus(&logits, 1.0, top_p, draw);
        assert_eq!([at(1.0, 0.0), at(1.0, 0.6), at(1.0, 0.9)], [0, 1, 2]);
        assert_eq!([at(0.7, 0.0), at(0.7, 0.6), at(0.7, 0.99)], [0, 0, 1]);
        assert_eq!(at(0.4, 0.99), 0);
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let sampling = Sampling::TopP { temperature: 0.5, top_p: 1.0, seed: 7 };
        let mut sampler = Sampler::new(&sampling, 3).unwrap();
        // Weights 1 and 2 at temperature 0.5 are 1 and 4.
        let logits = [0.0, 2f32.ln()];
        let ones = (0..10_000).filter(|_| sampler.next(&logits) == 1).count();
        assert!((7_850..8_150).contains(&ones), "{ones} of 10,000, expected 8,000");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (temperature, top_p) in [(0.0, 1.0), (f32::NAN, 1.0), (1.0, 0.0), (1.0, 1.1)] {
            let sampling = Sampling::TopP { temperature, top_p, seed: 0 };
            assert!(Sampler::new(&sampling, 0).is_err(), "{temperature} {top_p}");
        }
    }
}
