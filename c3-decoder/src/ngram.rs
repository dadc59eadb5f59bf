//! The ban on repeated n-grams that the authors decode with.

/// Tokens that would complete an n-gram which `ids` already holds: for each earlier occurrence of
/// the last `n − 1` ids, the one that followed it. As `NoRepeatNGramLogitsProcessor` of Hugging
/// Face transformers does it.
///
/// A text that holds the same `n` tokens twice can't be returned under this ban.
pub(crate) fn banned(ids: &[u32], n: usize) -> impl Iterator<Item = u32> + '_ {
    let tail = ids.len().checked_sub(n.saturating_sub(1)).filter(|_| n > 0 && ids.len() >= n);
    let tail = tail.map(|start| &ids[start..]);
    tail.into_iter().flat_map(move |tail| {
        ids.windows(n)
            .filter(move |window| &window[..n - 1] == tail)
            .map(move |window| window[n - 1])
    })
}

#[cfg(test)]
mod tests {
    use super::banned;

    #[test]
    fn only_what_followed_the_same_run_is_banned() {
        let of = |ids: &[u32], n| banned(ids, n).collect::<Vec<_>>();
        assert_eq!(of(&[1, 2, 3, 1, 2], 3), [3]);
        assert_eq!(of(&[1, 2, 3, 1, 2, 4, 1, 2], 3), [3, 4]);
        assert_eq!(of(&[1, 2], 3), Vec::<u32>::new());
        assert_eq!(of(&[5, 6], 1), [5, 6]);
        assert_eq!(of(&[7, 7, 7], 2), [7, 7]);
        assert_eq!(of(&[], 2), Vec::<u32>::new());
    }
}
