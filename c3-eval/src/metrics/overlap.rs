//! What two sequences share.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// How much of each of two sequences the other one has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Share of the output that the reference has.
    pub precision: f64,
    /// Share of the reference that the output has.
    pub recall: f64,
}

impl Overlap {
    /// Two empty sequences share all; an empty one and another nothing.
    fn new(shared: usize, reference: usize, output: usize) -> Self {
        let of = |length: usize, other: usize| match length {
            0 if other == 0 => 1.0,
            0 => 0.0,
            _ => shared as f64 / length as f64,
        };
        Self { precision: of(output, reference), recall: of(reference, output) }
    }

    /// Their harmonic mean.
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 { 2.0 * self.precision * self.recall / sum } else { 0.0 }
    }
}

/// Clipped overlap: of each token as many are right as both have.
pub fn token_overlap(reference: &[u32], output: &[u32]) -> Overlap {
    let mut left: HashMap<u32, usize> = HashMap::new();
    for &token in reference {
        *left.entry(token).or_default() += 1;
    }
    let mut shared = 0;
    for token in output {
        if let Some(count) = left.get_mut(token).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    Overlap::new(shared, reference.len(), output.len())
}

/// Overlap of the sets of words.
pub fn set_overlap<T: Eq + Hash + Copy>(reference: &[T], output: &[T]) -> Overlap {
    let set = |words: &[T]| words.iter().copied().collect::<HashSet<T>>();
    let (reference, output) = (set(reference), set(output));
    Overlap::new(reference.intersection(&output).count(), reference.len(), output.len())
}

/// Share of the reference before the first wrong token; 1 for an empty reference and an empty output.
pub fn prefix(reference: &[u32], output: &[u32]) -> f64 {
    let equal = reference.iter().zip(output).take_while(|(a, b)| a == b).count();
    Overlap::new(equal, reference.len(), output.len()).recall
}
