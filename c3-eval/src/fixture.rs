//! Records made by hand, for tests.

use crate::corpus::Kind;
use crate::results::{BUCKETS, Header, Machine, Record, VERSION};
use crate::{Batches, ModelIdentity, Ratio, Scores};

/// Of an experiment that nobody ran.
pub fn header(experiment: &str) -> Header {
    Header {
        c3_eval: VERSION,
        experiment: experiment.into(),
        command: format!("c3 eval {experiment}"),
        program: "c3 0.0.0".into(),
        machine: Machine::default(),
        device: "cpu".into(),
        model: ModelIdentity {
            name: "m".into(),
            fingerprint: "0".repeat(64),
            parameters: 1,
            window: 256,
            weights: "f32".into(),
        },
        corpora: Vec::new(),
        compressors: vec!["c3".into()],
        ratios: Vec::new(),
        chunk: 1,
        batches: Batches::default(),
        kept_texts: 0,
        cost: None,
    }
}

/// Texts of a corpus at a ratio.
pub struct Texts {
    pub corpus: String,
    pub kind: Option<Kind>,
    pub ratio: u32,
}

impl Texts {
    pub fn new(corpus: &str, ratio: u32) -> Self {
        Self { corpus: corpus.into(), kind: None, ratio }
    }

    pub fn made(self, kind: Kind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// A record for each score, which is every metric's. Texts are of 40 tokens, each a document of its
    /// own; of the last stretch both tokens are wrong.
    pub fn scored(&self, scores: &[f64]) -> Vec<Record> {
        let record = |(number, &score): (usize, &f64)| Record {
            corpus: self.corpus.clone(),
            kind: self.kind,
            id: number.to_string(),
            document: number.to_string(),
            compressor: "c3".into(),
            ratio: Ratio(Some(self.ratio)),
            tokens: 40,
            segments: 1,
            beyond_window: false,
            latents: 8,
            positions: 10,
            cut_off: 1,
            scores: Scores::of(|_| score),
            wrong: [vec![0; BUCKETS - 1], vec![2]].concat(),
            whole_tokens: 40,
            reference: None,
            output: None,
        };
        scores.iter().enumerate().map(record).collect()
    }
}
