//! How much of a text came back.

use rapidfuzz::distance::levenshtein;

/// Edits at which the search for the distance starts.
const CLOSE: usize = 256;

/// 1 − Levenshtein distance / length of the longer text, both in Unicode characters: 1 where the
/// texts are equal (two empty ones are), 0 where they share nothing.
///
/// Bit-parallel (Hyyrö 2003, after Myers 1999): 64 characters of one text against one of the other
/// in a few machine instructions, in memory linear in the texts' lengths.
pub fn char_similarity(reference: &str, output: &str) -> f64 {
    if reference == output {
        return 1.0;
    }
    // Collected once: the algorithm walks over them again and again.
    let reference: Vec<char> = reference.chars().collect();
    let output: Vec<char> = output.chars().collect();
    let longer = reference.len().max(output.len());
    // A guess that the texts are close, doubled until it holds: where they are, only a band around
    // the diagonal is computed.
    let args = levenshtein::Args::default().score_hint(CLOSE);
    let (reference, output) = (reference.iter().copied(), output.iter().copied());
    let distance = levenshtein::distance_with_args(reference, output, &args);
    1.0 - distance as f64 / longer as f64
}

#[cfg(test)]
mod tests {
    use super::char_similarity;

    #[test]
    fn known_values() {
        for (reference, output, distance, longer) in [
            ("", "", 0, 1),
            ("", "abcd", 4, 4),
            ("abcd", "", 4, 4),
            ("kitten", "sitting", 3, 7),
            ("flaw", "lawn", 2, 4),
            ("intention", "execution", 5, 9),
            ("上下文压缩", "上文压缩", 1, 5),
            ("naïve 🙂", "naive 🙃", 2, 7),
            ("same", "same", 0, 4),
            ("abc", "xyz", 3, 3),
        ] {
            let expected = 1.0 - f64::from(distance) / f64::from(longer);
            assert_eq!(char_similarity(reference, output), expected, "{reference:?} {output:?}");
        }
    }

    /// The textbook dynamic programme, one row at a time.
    fn slow_distance(a: &[char], b: &[char]) -> usize {
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.iter().enumerate() {
                let change = diagonal + usize::from(x != y);
                diagonal = row[j + 1];
                row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
            }
        }
        row[b.len()]
    }

    /// Texts long enough that the band around the diagonal is narrower than they are, from nearly
    /// equal ones to ones that share little.
    #[test]
    fn bands_agree_with_the_textbook() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for case in 0..12 {
            let alphabet = ['a', 'b', 'c', 'd', '\u{4e0a}', '\u{4e0b}', '\u{1f642}', 'é'];
            let one_in = [2000, 100, 12, 4, 2, 1][case / 2];
            let length = rng.random_range(1200..2600);
            let x: Vec<char> = (0..length).map(|_| alphabet[rng.random_range(0..8)]).collect();
            let mut y = Vec::new();
            for &c in &x {
                let new = alphabet[rng.random_range(0..8)];
                match rng.random_range(0..3 * one_in) {
                    0 => {}
                    1 => y.push(new),
                    2 => y.extend([c, new]),
                    _ => y.push(c),
                }
            }
            // Half of the cases with a block moved, far off the diagonal.
            if case % 2 == 1 {
                y.rotate_left(rng.random_range(0..700));
            }
            let longer = x.len().max(y.len());
            let expected = 1.0 - slow_distance(&x, &y) as f64 / longer as f64;
            let (x, y): (String, String) = (x.iter().collect(), y.iter().collect());
            assert_eq!(char_similarity(&x, &y), expected, "case {case}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_textbook(a in "[ab\u{4e0a}\u{1f642}]{0,200}", b in "[abc\u{4e0a}]{0,200}") {
            let (x, y): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
            let longer = x.len().max(y.len()).max(1);
            let expected = 1.0 - slow_distance(&x, &y) as f64 / longer as f64;
            proptest::prop_assert_eq!(char_similarity(&a, &b), expected);
        }
    }
}
