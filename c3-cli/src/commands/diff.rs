//! Where restored text differs, word by word: `[-what was lost-]{+what came instead+}`, as
//! `git diff --word-diff` shows it.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use crate::style::{BAD, DIM, GOOD, paint};

/// Equal words shown on either side of a difference.
const CONTEXT: usize = 6;
/// Groups of differences shown.
const GROUPS: usize = 4;

/// Lines that show the first differences between two texts.
pub fn render(source: &str, restored: &str) -> String {
    // Past the time, the rest is shown as replaced: correct, only longer than it could be.
    let diff =
        TextDiff::configure().timeout(Duration::from_secs(1)).diff_unicode_words(source, restored);
    let groups = diff.grouped_ops(CONTEXT);
    let mut lines = String::new();
    for group in groups.iter().take(GROUPS) {
        let from_start = group.first().is_some_and(|op| op.old_range().start == 0);
        lines.push_str(if from_start { "  " } else { "  … " });
        for op in group {
            push_changes(&mut lines, &diff, op);
        }
        lines.push('\n');
    }
    if groups.len() > GROUPS {
        let more = groups.len() - GROUPS;
        lines.push_str(&paint(DIM, format_args!("  … and {more} more places")));
        lines.push('\n');
    }
    lines
}

/// Adds one operation: runs of words with the same tag become one piece.
fn push_changes(line: &mut String, diff: &TextDiff<'_, '_, str>, op: &similar::DiffOp) {
    let (mut lost, mut came, mut same) = (String::new(), String::new(), String::new());
    for change in diff.iter_changes(op) {
        match change.tag() {
            ChangeTag::Delete => lost.push_str(change.value()),
            ChangeTag::Insert => came.push_str(change.value()),
            ChangeTag::Equal => same.push_str(change.value()),
        }
    }
    line.push_str(&visible(&same));
    if !lost.is_empty() {
        line.push_str(&paint(BAD, format_args!("[-{}-]", visible(&lost))));
    }
    if !came.is_empty() {
        line.push_str(&paint(GOOD, format_args!("{{+{}+}}", visible(&came))));
    }
}

/// Text with its line ends shown, and without anything that a terminal would obey.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('⏎'),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::render;

    fn plain(source: &str, restored: &str) -> String {
        anstream::adapter::strip_str(&render(source, restored)).to_string()
    }

    #[test]
    fn words_that_changed_stand_side_by_side() {
        let shown = plain("the quick brown fox", "the quick red fox");
        assert_eq!(shown, "  the quick [-brown-]{+red+} fox\n");
        assert_eq!(plain("上下文压缩", "上下又压缩"), "  上下[-文-]{+又+}压缩\n");
        assert_eq!(plain("same", "same"), "");
    }

    #[test]
    fn far_context_and_later_places_are_left_out() {
        let words: Vec<String> = (0..200).map(|n| format!("w{n}")).collect();
        let source = words.join(" ");
        let restored = words
            .iter()
            .enumerate()
            .map(|(n, w)| if n % 30 == 25 { "x" } else { w.as_str() })
            .collect::<Vec<_>>()
            .join(" ");
        let shown = plain(&source, &restored);
        assert_eq!(shown.lines().count(), 5, "{shown}");
        assert!(shown.starts_with("  … "), "{shown}");
        assert!(shown.ends_with("… and 2 more places\n"), "{shown}");
        assert!(shown.contains("[-w25-]{+x+}"), "{shown}");
        assert!(!shown.contains("w40"), "{shown}");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let shown = plain("a\n", "\u{1b}[31mb\u{7}\n");
        assert!(!shown.trim_end().contains(char::is_control), "{shown:?}");
        assert!(shown.contains('⏎'));
    }
}
