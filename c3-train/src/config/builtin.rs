//! What a setting is where the file doesn't say it: as the built-in model began, in an hour on two
//! cores (`configs/builtin-quick.toml`).

use std::collections::BTreeMap;

use c3_nn::QueryPositions;

use super::{Data, Optimizer, Stage};

pub(super) fn layers() -> usize {
    2
}

pub(super) fn hidden() -> usize {
    384
}

pub(super) fn heads() -> usize {
    6
}

pub(super) fn feed_forward() -> usize {
    768
}

pub(super) fn segment_tokens() -> usize {
    256
}

pub(super) fn banks() -> BTreeMap<u32, usize> {
    BTreeMap::from([(4, 64), (8, 32), (16, 16), (32, 8)])
}

pub(super) fn default_ratio() -> u32 {
    8
}

/// A checkpoint that doesn't say where its queries stand was made by the authors; one that begins here
/// learns sooner with these.
pub(super) fn query_positions() -> QueryPositions {
    QueryPositions::Aligned
}

pub(super) fn shuffled() -> f64 {
    0.1
}

pub(super) fn drawn() -> f64 {
    0.03
}

pub(super) fn wrong() -> f64 {
    0.03
}

/// Short text with four tokens for each latent first: where to look is learnt at once there.
pub(super) fn stages() -> Vec<Stage> {
    let stage = |steps, lengths: &[usize], ratios: &[u32], tokens| Stage {
        steps,
        lengths: lengths.into(),
        ratios: ratios.into(),
        tokens,
        parts: one(),
    };
    vec![
        stage(300, &[16, 32, 64], &[4], 4096),
        stage(300, &[32, 64, 128], &[4, 8, 8], 4096),
        stage(400, &[64, 128, 192, 256], &[4, 8, 8, 8, 16, 16], 8192),
    ]
}

pub(super) fn one() -> usize {
    1
}

impl Default for Data {
    fn default() -> Self {
        let (shuffled, drawn, wrong) = (shuffled(), drawn(), wrong());
        Self { train: Vec::new(), valid: Vec::new(), shuffled, drawn, wrong, continuation: None }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            muon_rate: 0.012,
            momentum: 0.95,
            adam_rate: 1e-3,
            betas: [0.9, 0.98],
            weight_decay: 0.0,
            clip: 1.0,
            warm_up: 50,
            decay: 0.35,
            bf16: true,
            alike_queries: true,
            average: 0.99,
        }
    }
}
