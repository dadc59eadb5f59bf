//! A very small model to train.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use c3_nn::QueryPositions;
use c3_train::{Config, Data, Event, Finished, From, OptimizerConfig, Run, Shape, Stage, Trainer};

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A run of a very small model.
pub fn config(steps: u64) -> Config {
    let text = root().join("fixtures/moby-dick.txt");
    Config {
        seed: 3,
        from: From::Scratch(Shape {
            tokenizer: root().join("models/c3-tiny/tokenizer.json"),
            layers: 1,
            hidden: 32,
            heads: 2,
            feed_forward: 48,
            segment_tokens: 32,
            banks: BTreeMap::from([(4, 8), (8, 4)]),
            default_ratio: 8,
            query_positions: QueryPositions::Aligned,
        }),
        data: Data {
            train: vec![text.clone()],
            valid: vec![text],
            shuffled: 0.25,
            drawn: 0.1,
            wrong: 0.1,
            continuation: None,
        },
        stages: vec![Stage {
            steps,
            lengths: vec![8, 16],
            ratios: vec![4, 8],
            tokens: 128,
            parts: 2,
        }],
        optimizer: OptimizerConfig {
            muon_rate: 0.02,
            adam_rate: 1.5e-3,
            warm_up: 2,
            decay: 0.3,
            alike_queries: false,
            average: 0.9,
            weight_decay: 0.01,
            ..OptimizerConfig::default()
        },
        run: Run {
            evaluate_steps: 1000,
            evaluate_segments: 2,
            micro_tokens: 64,
            workers: 1,
            ..Run::default()
        },
    }
}

/// The losses of at most `most` more steps, and how they ended.
pub fn losses(trainer: &mut Trainer, most: usize) -> (Vec<f64>, Finished) {
    let mut losses = Vec::new();
    let finished = trainer
        .run(&mut |event| {
            if let Event::Step { loss, .. } = event {
                losses.push(*loss);
            }
            losses.len() < most
        })
        .unwrap();
    (losses, finished)
}
