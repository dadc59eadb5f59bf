//! METEOR (Lavie & Agarwal 2007), its first stage.

use std::borrow::Cow;
use std::collections::HashMap;

use super::words::lower;

/// Weight of precision against recall, and the shape of the penalty: the paper's, and NLTK's defaults.
const ALPHA: f64 = 0.9;
const BETA: i32 = 3;
const GAMMA: f64 = 0.5;

/// METEOR with words matched in lower case alone, without stems and synonyms: what NLTK's
/// `single_meteor_score` gives with a stemmer that changes nothing and a WordNet that is empty.
///
/// The penalty for pieces leaves `1 − ½/n³` to a text of n words that came back whole, and 0 to an
/// empty one.
pub fn meteor(reference: &[&str], output: &[&str]) -> f64 {
    let pairs = align(reference, output);
    if pairs.is_empty() {
        return 0.0;
    }
    let matches = pairs.len() as f64;
    let (precision, recall) = (matches / output.len() as f64, matches / reference.len() as f64);
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let breaks = pairs.windows(2).filter(|p| p[1] != (p[0].0 + 1, p[0].1 + 1)).count();
    let pieces = (1 + breaks) as f64 / matches;
    (1.0 - GAMMA * pieces.powi(BETA)) * mean
}

/// Places of equal words in output and reference, in the order of the output. From the back, each
/// word takes the last of its equals in the reference that is left.
fn align(reference: &[&str], output: &[&str]) -> Vec<(usize, usize)> {
    let mut places: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    for (place, word) in reference.iter().enumerate() {
        places.entry(lower(word)).or_default().push(place);
    }
    let mut pairs = Vec::new();
    for (place, word) in output.iter().enumerate().rev() {
        if let Some(found) = places.get_mut(&lower(word)).and_then(Vec::pop) {
            pairs.push((place, found));
        }
    }
    pairs.reverse();
    pairs
}
