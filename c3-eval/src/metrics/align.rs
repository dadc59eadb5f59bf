//! Where a text is wrong.

use super::backtrace::backtrace;

/// Whether each token of the reference is wrong: changed or missing in an alignment with the output of
/// the fewest edits (Wagner & Fischer 1974). Tokens that came in addition make the one behind them
/// wrong, or the last one.
///
/// Compared place by place, one token too many would make all wrong that follows. Of alignments with
/// equally many edits, the one that keeps most to the diagonal from the end is taken.
pub fn wrong_tokens(reference: &[u32], output: &[u32]) -> Vec<bool> {
    let mut wrong = vec![false; reference.len()];
    // What agrees at both ends needs no alignment.
    let start = reference.iter().zip(output).take_while(|(a, b)| a == b).count();
    let (x, y) = (&reference[start..], &output[start..]);
    let end = x.iter().rev().zip(y.iter().rev()).take_while(|(a, b)| a == b).count();
    let (x, y) = (&x[..x.len() - end], &y[..y.len() - end]);

    let fill = |i: usize, above: &[u32], row: &mut [u32]| {
        row[0] = i as u32;
        for j in 1..row.len() {
            let diagonal = above[j - 1] + u32::from(x[i - 1] != y[j - 1]);
            row[j] = diagonal.min(above[j].min(row[j - 1]) + 1);
        }
    };
    let last = reference.len().checked_sub(1);
    let out = backtrace(x.len(), (0..=y.len() as u32).collect(), fill, |i, j, above, row| {
        let changed = j > 0 && x[i - 1] != y[j - 1];
        if j > 0 && row[j] == above[j - 1] + u32::from(changed) {
            wrong[start + i - 1] |= changed;
            (i - 1, j - 1)
        } else if row[j] == above[j] + 1 {
            wrong[start + i - 1] = true;
            (i - 1, j)
        } else {
            if let Some(last) = last {
                wrong[(start + i).min(last)] = true;
            }
            (i, j - 1)
        }
    });
    if let (Some(last), true) = (last, out > 0) {
        wrong[start.min(last)] = true;
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::wrong_tokens;

    fn wrong(reference: &str, output: &str) -> String {
        let ids = |text: &str| text.chars().map(u32::from).collect::<Vec<u32>>();
        let wrong = wrong_tokens(&ids(reference), &ids(output));
        wrong.iter().map(|&wrong| if wrong { 'x' } else { '.' }).collect()
    }

    #[test]
    fn one_edit_makes_one_token_wrong() {
        for (reference, output, expected) in [
            ("abcdef", "abcdef", "......"),
            ("abcdef", "abXdef", "..x..."),
            ("abcdef", "abdef", "..x..."),
            ("abcdef", "abXcdef", "..x..."),
            ("abcdef", "abcdefX", ".....x"),
            ("abcdef", "Xabcdef", "x....."),
            ("abcdef", "abc", "...xxx"),
            ("abcdef", "", "xxxxxx"),
            ("", "abc", ""),
            ("", "", ""),
            ("aaaa", "aa", "xx.."),
        ] {
            let found = wrong(reference, output);
            let (count, expected_count) =
                (found.matches('x').count(), expected.matches('x').count());
            assert_eq!(count, expected_count, "{reference} {output}: {found}");
            if reference != "aaaa" {
                assert_eq!(found, expected, "{reference} {output}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn as_many_are_wrong_as_the_distance_says_or_fewer(a in "[abc]{0,30}", b in "[abc]{0,30}") {
            let distance = rapidfuzz::distance::levenshtein::distance(a.chars(), b.chars());
            let wrong = wrong(&a, &b).matches('x').count();
            // Several tokens in addition make one wrong.
            proptest::prop_assert!(wrong <= distance);
            proptest::prop_assert!(a.is_empty() || (wrong == 0) == (distance == 0));
        }
    }
}
