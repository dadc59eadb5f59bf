//! The worker does the work it is asked for, and counts it rightly.

use std::path::{Path, PathBuf};

use c3_bench::random::{RandomCheckpoint, Shape};
use c3_bench::speed::{Answer, Request, Worker};
use c3_nn::{LoadOptions, WeightDtype};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn ask(worker: &mut Worker, request: serde_json::Value) -> anyhow::Result<Answer> {
    let request: Request = serde_json::from_value(request)?;
    worker.answer(&request)
}

#[test]
fn random_weights() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tiny");
    let random = RandomCheckpoint::new(Shape::Tiny, 1);
    random.write(&out, &|_| ()).unwrap();
    let options = LoadOptions { dtype: WeightDtype::Stored, ..LoadOptions::default() };
    let mut worker = Worker::new(out, options);
    let mut ask = |request| {
        let answer = ask(&mut worker, request).unwrap();
        assert!(answer.seconds > 0.0);
        answer
    };
    use serde_json::json;

    let answer = ask(json!({ "work": "encode", "tokens": 40 }));
    assert_eq!(answer.tokens, Some(40));

    let answer = ask(json!({ "work": "decode", "batch": 3, "prompt": 7, "tokens": 5 }));
    assert_eq!(answer.tokens, Some(15));
    // Each of five steps reads all but the embedding; norms, biases and the bridge are few.
    let read = 5 * (random.decoder_bytes() - 2 * 8192 * 256);
    let found = answer.bytes.unwrap();
    assert!(found.abs_diff(read) * 50 < read, "{found} bytes, expected about {read}");

    // More positions than logits are held of.
    let answer = ask(json!({ "work": "verify", "tokens": 150 }));
    assert_eq!(answer.tokens, Some(150));

    let answer = ask(json!({ "work": "gemm", "rows": 9 }));
    assert_eq!(answer.operations, Some(2 * 9 * 256 * 128));

    let answer = ask(json!({
        "work": "attention", "queries": 3, "keys": 50, "heads": 4, "kv_heads": 2, "head_dim": 16,
    }));
    assert_eq!(answer.operations, Some(4 * 3 * 50 * 4 * 16));

    let answer = ask(json!({ "work": "bandwidth", "bytes": 1 << 20 }));
    assert_eq!(answer.bytes, Some(1 << 20));

    let answer = ask(json!({ "work": "load", "stage": "decoder" }));
    let encoder = ask(json!({ "work": "load", "stage": "encoder" }));
    assert_eq!(answer.bytes.unwrap() + encoder.bytes.unwrap(), random.bytes());
}

#[test]
fn a_text_both_ways() {
    let file: PathBuf = root().join("fixtures/moby-dick.txt");
    let mut worker = Worker::new(root().join("models/c3-tiny"), LoadOptions::default());
    use serde_json::json;
    let cut = json!({ "work": "segments", "file": file, "ratio": 4 });
    let cut = ask(&mut worker, cut).unwrap();
    let there_and_back = json!({ "work": "roundtrip", "file": file, "ratio": 4, "batch": 2 });
    let back = ask(&mut worker, there_and_back).unwrap();
    assert_eq!((cut.tokens, cut.bytes), (back.tokens, back.bytes));
    let segments = cut.segments.unwrap();
    assert_eq!(segments.iter().map(|ids| ids.len() as u64).sum::<u64>(), back.tokens.unwrap());
    assert!(back.exact.unwrap() <= segments.len());
    // The built-in model knows about how long a text was.
    assert!(back.generated.unwrap().abs_diff(back.tokens.unwrap()) < 64, "{back:?}");
    assert!(back.encode_seconds.unwrap() < back.seconds);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut worker = Worker::new(root().join("models/c3-tiny"), LoadOptions::default());
    for request in [
        r#"{"work": "sleep"}"#,
        r#"{"work": "encode"}"#,
        r#"{"work": "encode", "tokens": 8, "batch": 1}"#,
        // Longer than the model's segments.
        r#"{"work": "encode", "tokens": 257}"#,
        r#"{"work": "decode", "batch": 0, "prompt": 4, "tokens": 1}"#,
        r#"{"work": "bandwidth", "bytes": 0}"#,
        r#"{"work": "roundtrip", "file": "/nowhere", "ratio": 4, "batch": null}"#,
    ] {
        let value = serde_json::from_str(request).unwrap();
        assert!(ask(&mut worker, value).is_err(), "{request}");
    }
}
