//! The built-in model against what an implementation in NumPy returns (`fixtures/make_expected.py`).

use std::ops::ControlFlow;
use std::path::Path;

use c3_core::{Compression, DecodeEvent, DecodeRequest, Decoder, Dtype, EncodeRequest, Encoder};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;
use c3_nn::{Checkpoint, LoadOptions};

use crate::compare::fixture;

/// 20 held-out passages at four ratios: the ids that greedy decoding returned, all equal.
#[test]
fn every_expected_id() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny");
    let checkpoint = Checkpoint::open(&model).unwrap();
    let options = LoadOptions::default();
    let encoder = C3Encoder::load(&checkpoint, &options).unwrap();
    let decoder = C3Decoder::load(&checkpoint, &options).unwrap();
    let expected = std::fs::read_to_string(fixture("c3-tiny.expected.jsonl")).unwrap();
    let mut compared = 0;
    for line in expected.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let ids = |name: &str| -> Vec<u32> { serde_json::from_value(case[name].clone()).unwrap() };
        let text = case["text"].as_str().unwrap();
        let ratio = case["ratio"].as_u64().unwrap() as u32;
        assert_eq!(checkpoint.tokenizer().encode(text).unwrap(), ids("ids"), "{}", case["id"]);
        let request = EncodeRequest {
            compression: Compression::Ratio(ratio),
            dtype: Dtype::F32,
            ..Default::default()
        };
        let context = encoder.encode(text, &request).unwrap();
        let mut output: Vec<u32> = Vec::new();
        decoder
            .decode(&context, &DecodeRequest::default(), &mut |event| {
                if let DecodeEvent::Segment(segment) = event {
                    output.extend(&segment.tokens);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(output, ids("output_ids"), "{} at {ratio}×", case["id"]);
        compared += 1;
    }
    assert_eq!(compared, 80);
}
