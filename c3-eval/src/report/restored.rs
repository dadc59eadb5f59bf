//! Restored texts with their differences marked.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::html::escape;
use crate::Metric;
use crate::results::Record;

/// A text and what came back of it, word by word.
pub(super) fn restored(record: &Record) -> Option<String> {
    let (reference, output) = (record.reference.as_ref()?, record.output.as_ref()?);
    // Past the time, the rest is shown as replaced: correct, only longer than it could be.
    let diff = TextDiff::configure()
        .timeout(Duration::from_secs(2))
        .diff_unicode_words(reference.as_str(), output.as_str());
    let mut text = String::new();
    for change in diff.iter_all_changes() {
        let words = escape(change.value());
        text.push_str(&match change.tag() {
            ChangeTag::Equal => words,
            ChangeTag::Delete => format!("<del>{words}</del>"),
            ChangeTag::Insert => format!("<ins>{words}</ins>"),
        });
    }
    // Neighbours are one difference.
    let text = text.replace("</del><del>", "").replace("</ins><ins>", "");
    let similarity = record.scores.get(Metric::CharSimilarity);
    let (corpus, id) = (escape(&record.corpus), escape(&record.id));
    Some(format!(
        "<details><summary>{corpus} at {}, {} tokens in {} positions: char similarity {similarity:.3} \
         <span class=\"quiet\">{id}</span></summary><p class=\"text\">{text}</p></details>\n",
        record.ratio, record.tokens, record.positions,
    ))
}
