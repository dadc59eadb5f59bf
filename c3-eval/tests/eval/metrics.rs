//! Every metric against the reference implementation that it names: see `golden/make.py`.

use c3_core::char_similarity;
use c3_eval::metrics::{
    Metric, Scorer, Words, bleu4, meteor, prefix, rouge_l, set_overlap, token_overlap,
};
use serde::Deserialize;

use crate::support::model;

#[derive(Deserialize)]
struct Case {
    name: String,
    reference: String,
    output: String,
    words: (Vec<String>, Vec<String>),
    char_similarity: Option<f64>,
    bleu4: f64,
    meteor: f64,
    rouge_l: Option<f64>,
    fox_precision: Option<f64>,
    fox_recall: Option<f64>,
    fox_f1: Option<f64>,
    word_precision: Option<f64>,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
    prefix: Option<f64>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("golden/golden.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the reference implementation has no value, two texts without words or tokens are equal, and
/// one of them beside another shares nothing.
#[track_caller]
fn close(case: &Case, what: &str, found: f64, expected: Option<f64>, tolerance: f64) {
    let undefined = if case.words.0 == case.words.1 { 1.0 } else { 0.0 };
    let expected = expected.unwrap_or(undefined);
    let name = &case.name;
    assert!((found - expected).abs() <= tolerance, "{name}, {what}: {found}, expected {expected}");
}

#[test]
fn words_are_those_of_the_published_script() {
    let words = Words::new();
    for case in cases() {
        let (reference, output) = words.of(&case.reference, &case.output);
        assert_eq!(reference, case.words.0, "{}", case.name);
        assert_eq!(output, case.words.1, "{}", case.name);
    }
}

#[test]
fn metrics_equal_their_reference_implementations() {
    for case in cases() {
        let reference: Vec<&str> = case.words.0.iter().map(String::as_str).collect();
        let output: Vec<&str> = case.words.1.iter().map(String::as_str).collect();
        let similarity = char_similarity(&case.reference, &case.output);
        close(&case, "char_similarity", similarity, case.char_similarity, 1e-9);
        close(&case, "bleu4", bleu4(&reference, &output), Some(case.bleu4), 1e-6);
        close(&case, "meteor", meteor(&reference, &output), Some(case.meteor), 1e-6);
        close(&case, "rouge_l", rouge_l(&reference, &output), case.rouge_l, 1e-9);
        let sets = set_overlap(&reference, &output);
        close(&case, "fox_precision", sets.recall, case.fox_precision, 1e-9);
        close(&case, "fox_recall", sets.precision, case.fox_recall, 1e-9);
        close(&case, "fox_f1", sets.f1(), case.fox_f1, 1e-9);
        close(&case, "word_precision", sets.precision, case.word_precision, 1e-9);
    }
}

#[test]
fn token_metrics_equal_plain_counting() {
    for case in cases() {
        let ids = |text: &str| text.chars().map(u32::from).collect::<Vec<u32>>();
        let (reference, output) = (ids(&case.reference), ids(&case.output));
        let overlap = token_overlap(&reference, &output);
        close(&case, "token_precision", overlap.precision, case.tokens.precision, 1e-9);
        close(&case, "token_recall", overlap.recall, case.tokens.recall, 1e-9);
        close(&case, "token_f1", overlap.f1(), case.tokens.f1, 1e-9);
        close(&case, "prefix", prefix(&reference, &output), case.tokens.prefix, 1e-9);
    }
}

/// What result files hold: each metric under its own name, of the texts in their order.
#[test]
fn a_scorer_gives_every_metric_its_value() {
    let tokenizer = model().tokenizer();
    let scorer = Scorer::new(tokenizer);
    for case in cases() {
        let scored = scorer.score(&case.reference, &case.output).unwrap();
        let of = |metric| scored.scores.get(metric);
        let exact = if case.reference == case.output { 1.0 } else { 0.0 };
        assert_eq!(of(Metric::Exact), exact, "{}", case.name);
        for (metric, expected, tolerance) in [
            (Metric::CharSimilarity, case.char_similarity, 1e-9),
            (Metric::Bleu4, Some(case.bleu4), 1e-6),
            (Metric::Meteor, Some(case.meteor), 1e-6),
            (Metric::RougeL, case.rouge_l, 1e-9),
            (Metric::FoxPrecision, case.fox_precision, 1e-9),
            (Metric::FoxRecall, case.fox_recall, 1e-9),
            (Metric::FoxF1, case.fox_f1, 1e-9),
            (Metric::WordPrecision, case.word_precision, 1e-9),
        ] {
            close(&case, metric.name(), of(metric), expected, tolerance);
        }
        let ids = |text: &str| tokenizer.encode(text).unwrap();
        let (reference, output) = (ids(&case.reference), ids(&case.output));
        let overlap = token_overlap(&reference, &output);
        for (metric, expected) in [
            (Metric::TokenPrecision, overlap.precision),
            (Metric::TokenRecall, overlap.recall),
            (Metric::TokenF1, overlap.f1()),
            (Metric::Prefix, prefix(&reference, &output)),
        ] {
            assert_eq!(of(metric), expected, "{}, {metric}", case.name);
        }
        assert_eq!((scored.reference, scored.output), (reference, output), "{}", case.name);
    }
}

/// The Fox script swaps label and answer: its precision is of the label's words, and neither it nor the
/// token metrics are the same the other way round.
#[test]
fn a_scorer_knows_the_reference_from_the_output() {
    let scorer = Scorer::new(model().tokenizer());
    let half = scorer.score("one two three four", "one two").unwrap().scores;
    let found =
        [Metric::FoxPrecision, Metric::FoxRecall, Metric::WordPrecision, Metric::TokenPrecision]
            .map(|metric| half.get(metric));
    assert_eq!(found, [0.5, 1.0, 1.0, 1.0]);
    assert!(half.get(Metric::TokenRecall) < 1.0 && half.get(Metric::Prefix) < 1.0);
    let more = scorer.score("one two", "one two three four").unwrap().scores;
    let found = [Metric::FoxPrecision, Metric::FoxRecall, Metric::TokenRecall, Metric::Prefix]
        .map(|metric| more.get(metric));
    assert_eq!(found, [1.0, 0.5, 1.0, 1.0]);
}
