//! ROUGE-L (Lin 2004).

use std::collections::HashSet;

use super::backtrace::backtrace;
use super::words::is_space;

/// Added to the denominator of the F-measure.
const EPSILON: f64 = 1e-8;

/// ROUGE-L as the Python package `rouge` has it: over sentences, which end at full stops; the union of
/// each pair's longest common subsequence, counted in *different* words; the F-measure of that over
/// the reference's and the output's different words. Words are joined by blanks first.
///
/// The package refuses a text without sentences; here two such texts score 1, and one beside another 0.
pub fn rouge_l(reference: &[&str], output: &[&str]) -> f64 {
    let (reference, output) = (reference.join(" "), output.join(" "));
    let (reference, output) = (sentences(&reference), sentences(&output));
    if reference.is_empty() || output.is_empty() {
        return if reference.is_empty() && output.is_empty() { 1.0 } else { 0.0 };
    }
    let mut common = HashSet::new();
    for x in &reference {
        for y in &output {
            common.extend(common_subsequence(x, y));
        }
    }
    let different = |sentences: &[Vec<&str>]| {
        sentences.iter().flatten().copied().collect::<HashSet<&str>>().len() as f64
    };
    let common = common.len() as f64;
    let (recall, precision) = (common / different(&reference), common / different(&output));
    2.0 * (precision * recall / (precision + recall + EPSILON))
}

/// What stands between full stops, in words. White space alone is one empty word, as in the package.
fn sentences(text: &str) -> Vec<Vec<&str>> {
    let mut sentences: Vec<Vec<&str>> =
        text.split('.').filter(|sentence| !sentence.is_empty()).map(words).collect();
    sentences.iter_mut().filter(|words| words.is_empty()).for_each(|words| words.push(""));
    sentences
}

fn words(sentence: &str) -> Vec<&str> {
    sentence.split(is_space).filter(|word| !word.is_empty()).collect()
}

/// A longest common subsequence. Of equals, the one that the package's walk back from the end finds.
fn common_subsequence<'a>(x: &[&'a str], y: &[&str]) -> Vec<&'a str> {
    let fill = |i: usize, above: &[u32], row: &mut [u32]| {
        for j in 1..row.len() {
            row[j] = match x[i - 1] == y[j - 1] {
                true => above[j - 1] + 1,
                false => above[j].max(row[j - 1]),
            };
        }
    };
    let mut found = Vec::new();
    backtrace(x.len(), vec![0; y.len() + 1], fill, |i, j, above, row| {
        if j == 0 {
            (0, 0)
        } else if x[i - 1] == y[j - 1] {
            found.push(x[i - 1]);
            (i - 1, j - 1)
        } else if above[j] > row[j - 1] {
            (i - 1, j)
        } else {
            (i, j - 1)
        }
    });
    found
}
