//! Evaluations with the built-in model: the same bytes, however they come about.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use c3_eval::compressor::{self, NAMES};
use c3_eval::corpus::{Corpus, Sample};
use c3_eval::results::{Record, read_results};
use c3_eval::{Error, Evaluation, Metric, Ratio, Summary, Window};

use crate::support::{evaluation, model, samples};

fn run(evaluation: &Evaluation<'_>, path: &Path) -> Vec<u8> {
    evaluation.run(path, false, &|_| true).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut evaluation = evaluation(vec![samples("en-prose", 20), samples("code", 17)], &[8, 32]);
    let whole = run(&evaluation, &dir.path().join("whole.jsonl"));
    assert_eq!(whole.iter().filter(|&&byte| byte == b'\n').count(), 1 + 2 * 37);

    // Stopped after the first chunk, then with its last line torn, as by a kill while it is written.
    let path = dir.path().join("stopped.jsonl");
    let told = AtomicUsize::new(0);
    let stop = |done: usize| {
        told.store(done, Ordering::Relaxed);
        done == 0
    };
    assert!(matches!(evaluation.run(&path, false, &stop), Err(Error::Cancelled)));
    assert_eq!(told.load(Ordering::Relaxed), 16);
    assert!(!read_results::<Record>(&path).unwrap().is_complete());
    let bytes = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(&bytes));
    for torn in [3, bytes.len() / 2, bytes.len() - 400] {
        std::fs::write(&path, &whole[..bytes.len() - torn.min(bytes.len() - 900)]).unwrap();
        evaluation.shards = 1 + torn % 3;
        assert_eq!(run(&evaluation, &path), whole, "{torn}");
    }
    // Nothing is left to do.
    assert_eq!(run(&evaluation, &path), whole);
    assert!(read_results::<Record>(&path).unwrap().is_complete());
}

#[test]
fn another_run_or_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let mut first = evaluation(vec![samples("en-prose", 2)], &[8]);
    let bytes = run(&first, &path);
    let refused = |evaluation: &Evaluation<'_>| {
        let error = evaluation.run(&path, false, &|_| true).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file was changed");
        error.to_string()
    };
    let other = evaluation(vec![samples("en-prose", 3)], &[8]);
    assert!(refused(&other).contains("its corpora is en-prose (2 texts"), "{}", refused(&other));
    let other = evaluation(vec![samples("en-prose", 2)], &[16]);
    assert!(refused(&other).contains("its ratios is 8×, this run's is 16×"));
    let mut other = evaluation(vec![samples("en-prose", 2)], &[8]);
    other.program = "c3 0.0.0 (later)".into();
    let said = refused(&other);
    assert!(
        said.contains("its program is c3 0.0.0 (tests), this run's is c3 0.0.0 (later)"),
        "{said}"
    );
    let mut other = evaluation(vec![samples("en-prose", 2)], &[8]);
    other.device = "cuda:0".into();
    assert!(refused(&other).contains("its device is cpu, this run's is cuda:0"));
    let other = evaluation(vec![samples("en-prose", 2)], &[16]);
    first.command = "typed otherwise".into();
    assert_eq!(run(&first, &path), bytes);
    // Unless it is asked for.
    other.run(&path, true, &|_| true).unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), bytes);

    let text = String::from_utf8(bytes).unwrap();
    for (file, said) in [
        (text.replacen("\"c3_eval\":2", "\"c3_eval\":1", 1), "version 2: it says version 1"),
        (text.replacen("\"c3_eval\":2,", "", 1), "has no `c3_eval`"),
        ("hello\n".into(), "no JSON object"),
        (String::new(), "no JSON object"),
    ] {
        std::fs::write(&path, file).unwrap();
        let read = read_results::<Record>(&path).unwrap_err().to_string();
        assert!(read.contains(said), "{read}");
        assert!(first.run(&path, false, &|_| true).unwrap_err().to_string().contains(said));
    }
    std::fs::write(&path, text.replacen("\"scores\"", "\"points\"", 1)).unwrap();
    let damaged = read_results::<Record>(&path).unwrap_err().to_string();
    assert!(
        damaged.contains("line 2: expected a record, found missing field `scores`"),
        "{damaged}"
    );
}

#[test]
fn texts_longer_than_the_window_are_reported_apart() {
    let long: Vec<String> =
        samples("en-prose", 8).samples.into_iter().map(|sample| sample.text).collect();
    let mut corpus = samples("en-prose", 4);
    corpus.samples.push(Sample {
        id: "long".into(),
        document: "long".into(),
        text: long.join("\n\n"),
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    run(&evaluation(vec![corpus], &[4]), &path);
    let results = read_results::<Record>(&path).unwrap();
    let rows = Summary::of(&results.records).rows;
    let windows: Vec<(Window, usize)> = rows.iter().map(|row| (row.group.window, row.n)).collect();
    assert_eq!(windows, [(Window::Within, 4), (Window::Beyond, 1)]);
    assert!(results.records[4].segments > 1 && results.records[4].tokens > 256);
    assert!(rows[1].metric(Metric::CharSimilarity).mean > 0.5);
}

#[test]
fn compressors_keep_to_the_budget_and_to_the_text() {
    let corpus = samples("en-prose", 6);
    for ratio in [4, 16].map(|ratio| Ratio(Some(ratio))) {
        let items: Vec<_> = corpus
            .samples
            .iter()
            .map(|sample| model().item(&sample.text, ratio).unwrap())
            .collect();
        for name in NAMES {
            let compressor = compressor::named(name, model()).unwrap();
            assert_eq!(compressor.name(), name);
            let restored = compressor.restore(&items).unwrap();
            assert_eq!(restored, compressor.restore(&items).unwrap(), "{name}");
            for (item, restored) in items.iter().zip(&restored) {
                assert!(restored.positions <= item.budget(), "{name}");
                assert!(2 * restored.positions >= item.budget(), "{name}");
                if name == "random_drop" && item.text.is_ascii() {
                    // Whole tokens of plain prose, in their order.
                    let mut text = item.text.chars();
                    let kept = restored.text.chars().filter(|c| *c != '\u{fffd}');
                    assert!(kept.clone().count() > 0 && restored.text.len() < item.text.len());
                    for c in kept {
                        assert!(text.any(|other| other == c), "{:?}", restored.text);
                    }
                }
                if name == "truncation" {
                    let kept = restored.text.trim_end_matches('\u{fffd}');
                    assert!(item.text.starts_with(kept), "{kept:?}");
                }
            }
            assert!(compressor.restore(&[]).unwrap().is_empty());
        }
    }
    assert!(compressor::named("zip", model()).is_none());
}

#[test]
fn a_ratio_or_compressor_that_does_not_exist_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let odd = evaluation(vec![samples("en-prose", 2)], &[5]);
    let error = odd.run(&path, false, &|_| true).unwrap_err().to_string();
    assert!(error.contains("no query bank compresses 5×"), "{error}");
    let mut odd = evaluation(vec![samples("en-prose", 2)], &[4]);
    odd.compressors = vec!["zip".into()];
    let error = odd.run(&path, false, &|_| true).unwrap_err().to_string();
    assert!(
        error.contains("expected c3, truncation, random_drop, mean_pool, found zip"),
        "{error}"
    );
    assert!(!path.exists());
}

/// What the model card is made of: the metric's mean is that of plain decoding.
#[test]
fn c3_restores_what_plain_decoding_does() {
    use c3_core::{DecodeRequest, Decoder, EncodeRequest, Encoder};
    let corpus: Corpus = samples("en-prose", 5);
    let compressor = compressor::named("c3", model()).unwrap();
    let ratio = Ratio(Some(8));
    for sample in &corpus.samples {
        let item = model().item(&sample.text, ratio).unwrap();
        let request = EncodeRequest { compression: ratio.into(), ..EncodeRequest::default() };
        let context = model().encoder.encode(&sample.text, &request).unwrap();
        let plain = model().decoder.decode_to_string(&context, &DecodeRequest::default()).unwrap();
        assert_eq!(compressor.restore(&[item]).unwrap()[0].text, plain);
    }
}
