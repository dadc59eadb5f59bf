//! Which text a step reads: decided by the seed and the step's number alone, so that a run that goes
//! on reads what it would have read.

use c3_encoder::Bank;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::forward::Batch;
use crate::{Config, Tokens};

/// The text of a part of a step: segments of one length, for one ratio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub ratio: u32,
    pub tokens: usize,
    /// `[segments, tokens]`
    pub ids: Vec<u32>,
    /// The same with some wrong, as the decoder is given it: `[segments, tokens]`.
    pub given: Vec<u32>,
    /// Where the text is to be gone on with: what follows each segment. `[segments, tokens + 1]`
    pub next: Option<Vec<u32>>,
}

impl Sample {
    /// The segments, `at_once` of them together.
    pub fn pieces(&self, at_once: usize, bank: Bank) -> impl Iterator<Item = Batch<'_>> {
        let (tokens, size) = (self.tokens, at_once * self.tokens);
        let next = self.next.as_deref();
        let next = (0..).map(move |piece| next?.chunks(at_once * (tokens + 1)).nth(piece));
        let text = self.ids.chunks(size).zip(self.given.chunks(size)).zip(next);
        text.map(move |((ids, given), next)| Batch { ids, given, next, tokens, bank })
    }
}

/// The parts of step `step`, counted from 0.
pub(crate) fn samples(config: &Config, text: &Tokens, step: u64) -> Vec<Sample> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(step + 1);
    let mut before = 0;
    let stage = config.stages.iter().find(|stage| {
        before += stage.steps;
        step < before
    });
    // The last stage goes on.
    let Some(stage) = stage.or(config.stages.last()) else { return Vec::new() };
    // Drawn as they were before steps had parts: runs that are published stay what they are.
    if stage.parts == 1 {
        let tokens = stage.lengths.choose(&mut rng).copied().unwrap_or(1);
        let ratio = stage.ratios.choose(&mut rng).copied().unwrap_or(1);
        return vec![sample(config, text, [ratio as usize, tokens, stage.tokens], &mut rng)];
    }
    let mut ratios = stage.ratios.clone();
    ratios.shuffle(&mut rng);
    let ratios = ratios.into_iter().cycle().take(stage.parts);
    let part = |ratio: u32| {
        let tokens = stage.lengths.choose(&mut rng).copied().unwrap_or(1);
        let share = stage.tokens / stage.parts;
        sample(config, text, [ratio as usize, tokens, share], &mut rng)
    };
    ratios.map(part).collect()
}

/// As many segments of `tokens` as `share` tokens have room for, for one ratio.
fn sample(
    config: &Config,
    text: &Tokens,
    [ratio, tokens, share]: [usize; 3],
    rng: &mut ChaCha8Rng,
) -> Sample {
    let segments = (share / tokens).max(1);
    let share = config.data.continuation.as_ref().map(|continuation| continuation.share);
    // Text from which no continuation fits is reproduced.
    let continued = share.is_some_and(|share| rng.random_bool(share)) && text.len() > 2 * tokens;
    if continued {
        return continuation(text, [ratio, tokens, segments], config.data.wrong, rng);
    }
    let mut ids = Vec::with_capacity(segments * tokens);
    for _ in 0..segments {
        let start = rng.random_range(0..=text.len() - tokens);
        let mut segment: Vec<u32> = text.range(start..start + tokens).collect();
        let kind: f64 = rng.random();
        if kind < config.data.shuffled {
            segment.shuffle(rng);
        } else if kind < config.data.shuffled + config.data.drawn {
            segment.iter_mut().for_each(|id| *id = any(text, rng));
        }
        ids.extend(segment);
    }
    let mut given = ids.clone();
    spoil(&mut given, text, config.data.wrong, rng);
    Sample { ratio: ratio as u32, tokens, ids, given, next: None }
}

/// Segments and what follows them, as it stands in the text.
fn continuation(
    text: &Tokens,
    [ratio, tokens, segments]: [usize; 3],
    wrong: f64,
    rng: &mut ChaCha8Rng,
) -> Sample {
    let (mut ids, mut given, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..segments {
        let start = rng.random_range(0..text.len() - 2 * tokens);
        let end = start + tokens;
        ids.extend(text.range(start..end));
        given.extend(text.range(end..end + tokens));
        next.extend(text.range(end..end + tokens + 1));
    }
    spoil(&mut given, text, wrong, rng);
    Sample { ratio: ratio as u32, tokens, ids, given, next: Some(next) }
}

/// Puts others of the text's tokens in the place of a share of `ids`.
fn spoil(ids: &mut [u32], text: &Tokens, share: f64, rng: &mut ChaCha8Rng) {
    for id in ids {
        if rng.random_bool(share) {
            *id = any(text, rng);
        }
    }
}

/// One of the text's tokens.
fn any(text: &Tokens, rng: &mut ChaCha8Rng) -> u32 {
    let at = rng.random_range(0..text.len());
    text.range(at..at + 1).next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow::Continue;
    use std::path::{Path, PathBuf};

    use c3_nn::Tokenizer;

    use super::*;
    use crate::{Continuation, Data, From, OptimizerConfig, Run, Stage};

    fn text(folder: &Path) -> Tokens {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let json = std::fs::read(root.join("models/c3-tiny/tokenizer.json")).unwrap();
        let tokenizer = Tokenizer::from_json("tokenizer.json", &json).unwrap();
        Tokens::of(&[root.join("fixtures/moby-dick.txt")], &tokenizer, folder, &|_| Continue(()))
            .unwrap()
    }

    fn only(mut samples: Vec<Sample>) -> Sample {
        assert_eq!(samples.len(), 1);
        samples.remove(0)
    }

    /// Text as it is.
    fn unchanged() -> Data {
        Data { shuffled: 0.0, drawn: 0.0, wrong: 0.0, ..Data::default() }
    }

    fn config(data: Data) -> Config {
        Config {
            seed: 5,
            from: From::Checkpoint(PathBuf::new()),
            data,
            stages: vec![Stage {
                steps: 9,
                lengths: vec![12],
                ratios: vec![4],
                tokens: 60,
                parts: 1,
            }],
            optimizer: OptimizerConfig::default(),
            run: Run::default(),
        }
    }

    /// Whether the tokens stand in the text as they are.
    fn stands(text: &Tokens, ids: &[u32]) -> bool {
        let all: Vec<u32> = text.range(0..text.len()).collect();
        all.windows(ids.len()).any(|window| window == ids)
    }

    #[test]
    fn what_is_gone_on_with_follows_the_segment() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let continuation = Some(Continuation { share: 1.0, question: "Go on.".into() });
        let config = config(Data { continuation, wrong: 0.2, ..unchanged() });
        let Sample { ids, given, next, tokens, .. } = only(samples(&config, &text, 3));
        let next = next.unwrap();
        assert_eq!((ids.len(), given.len(), next.len()), (60, 60, 65));
        let mut wrong = 0;
        for ((ids, given), next) in ids.chunks(12).zip(given.chunks(12)).zip(next.chunks(13)) {
            assert!(stands(&text, &[ids, next].concat()));
            wrong += (0..tokens).filter(|&i| given[i] != next[i]).count();
        }
        assert!((2..30).contains(&wrong), "{wrong}");
    }

    #[test]
    fn what_is_reproduced_is_the_segment() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let continuation = Some(Continuation { share: 0.0, question: "Go on.".into() });
        let plain = only(samples(&config(Data { continuation, ..unchanged() }), &text, 3));
        assert_eq!((plain.next, &plain.given), (None, &plain.ids));
        assert!(plain.ids.chunks(12).all(|ids| stands(&text, ids)));
        let shuffled = only(samples(&config(Data { shuffled: 1.0, ..unchanged() }), &text, 3));
        assert!(!shuffled.ids.chunks(12).any(|ids| stands(&text, ids)));
    }

    #[test]
    fn a_step_has_each_ratio_as_often_as_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let mut config = config(unchanged());
        let stage = &mut config.stages[0];
        (stage.ratios, stage.parts, stage.tokens) = (vec![4, 8, 8], 3, 36 * 3);
        for step in 0..5 {
            let parts = samples(&config, &text, step);
            let mut ratios: Vec<u32> = parts.iter().map(|part| part.ratio).collect();
            ratios.sort_unstable();
            assert_eq!(ratios, [4, 8, 8]);
            assert!(parts.iter().all(|part| part.ids.len() == 36));
        }
        config.stages[0].parts = 2;
        let first = |step| samples(&config, &text, step)[0].ratio;
        assert!((0..20).map(first).any(|ratio| ratio == 4));
    }
}
