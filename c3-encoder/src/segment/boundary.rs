//! Where a piece may end.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// The best place to end a piece that starts at byte 0: the last boundary of the best kind after
/// byte `half` and up to byte `fits`, or the last grapheme boundary up to there.
///
/// `text` reaches a little past `fits`, since a boundary depends on what follows.
pub(super) fn best(text: &str, half: usize, fits: usize) -> Option<usize> {
    last_whole(text, half, fits, paragraphs(text))
        .or_else(|| last_whole(text, half, fits, sentences(text)))
        .or_else(|| last_whole(text, half, fits, words(text)))
        .or_else(|| last_whole(text, half, fits, word_bounds(text)))
        .or_else(|| last_whole(text, 0, fits, text.grapheme_indices(true).map(|(start, _)| start)))
}

/// The end of the first grapheme cluster, if the text doesn't end with it.
pub(super) fn first_cluster(text: &str) -> Option<usize> {
    text.grapheme_indices(true).nth(1).map(|(start, _)| start)
}

/// The end of the last character up to byte `fits`, but at least of the first one.
pub(super) fn character(text: &str, fits: usize) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.floor_char_boundary(fits).max(first)
}

/// The last of ascending boundaries in `after + 1..=up_to` that cuts no grapheme cluster.
///
/// UAX #29 lets words and sentences end within a cluster, after a prepended mark for example.
fn last_whole(
    text: &str,
    after: usize,
    up_to: usize,
    boundaries: impl Iterator<Item = usize>,
) -> Option<usize> {
    let inside: Vec<usize> = boundaries
        .skip_while(|&boundary| boundary <= after)
        .take_while(|&boundary| boundary <= up_to)
        .collect();
    inside.into_iter().rev().find(|&boundary| is_grapheme_boundary(text, boundary))
}

fn is_grapheme_boundary(text: &str, at: usize) -> bool {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    // It can't ask for more text: it has all of it.
    cursor.is_boundary(text, 0).unwrap_or(false)
}

/// The starts of lines that follow a blank one and aren't blank.
fn paragraphs(text: &str) -> impl Iterator<Item = usize> {
    let mut start = 0;
    let mut after_blank = false;
    text.split_inclusive('\n').filter_map(move |line| {
        let here = start;
        start += line.len();
        let blank = line.trim_end().is_empty();
        let boundary = after_blank && !blank;
        after_blank = blank;
        boundary.then_some(here)
    })
}

fn sentences(text: &str) -> impl Iterator<Item = usize> {
    text.split_sentence_bound_indices().map(|(start, _)| start)
}

/// Word starts: after white space, and between letters of scripts that don't write blanks.
fn words(text: &str) -> impl Iterator<Item = usize> {
    word_bounds(text).filter(|&at| {
        let (Some(before), Some(after)) =
            (text[..at].chars().next_back(), text[at..].chars().next())
        else {
            return false;
        };
        (before.is_whitespace() && !after.is_whitespace())
            || (before.is_alphanumeric() && after.is_alphanumeric())
    })
}

/// Every word boundary of UAX #29, before and after punctuation too.
fn word_bounds(text: &str) -> impl Iterator<Item = usize> {
    text.split_word_bound_indices().map(|(start, _)| start)
}
