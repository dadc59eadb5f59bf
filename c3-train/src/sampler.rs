//! Which text a step reads: decided by the seed and the step's number alone, so that a run that goes
//! on reads what it would have read.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Config, Tokens};

/// The text of one step: segments of one length, for one ratio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub ratio: u32,
    pub tokens: usize,
    /// `[segments, tokens]`
    pub ids: Vec<u32>,
    /// The same with some wrong, as the decoder is given it: `[segments, tokens]`.
    pub given: Vec<u32>,
}

/// The text of step `step`, counted from 0.
pub(crate) fn sample(config: &Config, text: &Tokens, step: u64) -> Sample {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(step + 1);
    let mut before = 0;
    let stage = config.stages.iter().find(|stage| {
        before += stage.steps;
        step < before
    });
    // The last stage goes on.
    let stage = stage.or(config.stages.last());
    let one_of = |rng: &mut ChaCha8Rng, from: &[usize]| from.choose(rng).copied().unwrap_or(1);
    let tokens = stage.map_or(1, |stage| one_of(&mut rng, &stage.lengths));
    let ratio = stage.and_then(|stage| stage.ratios.choose(&mut rng).copied()).unwrap_or(1);
    let segments = stage.map_or(1, |stage| (stage.tokens / tokens).max(1));
    let mut ids = Vec::with_capacity(segments * tokens);
    for _ in 0..segments {
        let start = rng.random_range(0..=text.len() - tokens);
        let mut segment: Vec<u32> = text.range(start..start + tokens).collect();
        let kind: f64 = rng.random();
        if kind < config.data.shuffled {
            segment.shuffle(&mut rng);
        } else if kind < config.data.shuffled + config.data.drawn {
            segment.iter_mut().for_each(|id| *id = any(text, &mut rng));
        }
        ids.extend(segment);
    }
    let mut given = ids.clone();
    for id in &mut given {
        if rng.random_bool(config.data.wrong) {
            *id = any(text, &mut rng);
        }
    }
    Sample { ratio, tokens, ids, given }
}

/// One of the text's tokens.
fn any(text: &Tokens, rng: &mut ChaCha8Rng) -> u32 {
    let at = rng.random_range(0..text.len());
    text.range(at..at + 1).next().unwrap_or(0)
}
