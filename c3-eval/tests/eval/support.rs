//! The built-in model and some of its texts.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use c3_eval::corpus::Corpus;
use c3_eval::results::Machine;
use c3_eval::{Evaluation, Model, Ratio};
use c3_nn::{Checkpoint, LoadOptions};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The built-in model, loaded once.
pub fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        let checkpoint = Checkpoint::open(&root().join("models/c3-tiny")).unwrap();
        Model::load(&checkpoint, "c3-tiny".into(), &LoadOptions::default()).unwrap()
    })
}

/// `count` of the samples of that name.
pub fn samples(name: &str, count: usize) -> Corpus {
    let mut corpus = Corpus::open(&root().join(format!("fixtures/samples/{name}.jsonl"))).unwrap();
    corpus.limit(count);
    corpus
}

pub fn evaluation(corpora: Vec<Corpus>, ratios: &[u32]) -> Evaluation<'static> {
    Evaluation {
        experiment: "sweep".into(),
        command: "c3 eval sweep".into(),
        program: "c3 0.0.0 (tests)".into(),
        machine: Machine {
            system: "linux of tests".into(),
            cpu: Some("Processor of <tests>".into()),
            cores: 3,
            ..Machine::default()
        },
        device: "cpu".into(),
        model: model(),
        corpora,
        compressors: vec!["c3".into()],
        ratios: ratios.iter().map(|&ratio| Ratio(Some(ratio))).collect(),
        kept_texts: 1,
        shards: 2,
    }
}
