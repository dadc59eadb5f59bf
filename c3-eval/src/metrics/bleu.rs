//! BLEU (Papineni et al. 2002).

use std::collections::HashMap;

/// Orders of n-grams.
const ORDERS: usize = 4;

/// BLEU of one text by its n-grams of up to four words, unsmoothed, as NLTK's `sentence_bleu` has it:
/// the geometric mean of the clipped precisions, times the brevity penalty.
///
/// Where no n-gram of some order is right, NLTK takes the smallest positive number for its precision;
/// so does this. A text of fewer than four words therefore scores 0 but for 10⁻⁷⁰ or less, even where
/// it came back whole; so does an empty one.
pub fn bleu4(reference: &[&str], output: &[&str]) -> f64 {
    let precisions: Vec<(usize, usize)> =
        (1..=ORDERS).map(|n| matches(reference, output, n)).collect();
    if precisions[0].0 == 0 {
        return 0.0;
    }
    let logarithm = |&(right, of): &(usize, usize)| match right {
        0 => f64::MIN_POSITIVE.ln(),
        _ => (right as f64 / of as f64).ln(),
    };
    let mean = precisions.iter().map(logarithm).sum::<f64>() / ORDERS as f64;
    let penalty = match output.len() > reference.len() {
        true => 1.0,
        false => (1.0 - reference.len() as f64 / output.len() as f64).exp(),
    };
    penalty * mean.exp()
}

/// n-grams of the output that the reference has, each counted at most as often as there; of how many.
fn matches(reference: &[&str], output: &[&str], n: usize) -> (usize, usize) {
    let (there, here) = (count(reference, n), count(output, n));
    let clipped = here.iter().map(|(ngram, &n)| n.min(there.get(ngram).copied().unwrap_or(0)));
    (clipped.sum(), output.len().saturating_sub(n - 1).max(1))
}

/// How often each n-gram occurs.
fn count<'a>(words: &'a [&'a str], n: usize) -> HashMap<&'a [&'a str], usize> {
    let mut counts = HashMap::new();
    for ngram in words.windows(n) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
