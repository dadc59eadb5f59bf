//! A text and what came back of it: how much is right, at what price.

use c3_core::char_similarity;
use serde::Serialize;

use super::roundtrip::{SegmentTexts, Trip};
use super::{diff, foretold};
use crate::human::{self, Table};
use crate::memory;
use crate::style::{BAD, BOLD, GOOD, paint};

/// Characters up to which the whole texts are compared at once. The time grows with the square:
/// longer texts are compared segment by segment.
const WHOLE: usize = 300_000;

/// The results, for scripts.
#[derive(Serialize)]
pub struct Comparison {
    pub char_similarity: f64,
    /// What the similarity was taken over: the whole `text`, or `segments` one by one.
    similarity_over: &'static str,
    pub exact: bool,
    segments: u64,
    exact_segments: u64,
    cut_off_segments: u64,
    token_ratio: f64,
    byte_ratio: f64,
    text_tokens: u64,
    latent_positions: u64,
    corrections: u64,
    patch_bytes: u64,
    verbatim_tokens: u64,
    /// What was foretold, and which banks were chosen.
    fidelity: serde_json::Value,
    text_bytes: u64,
    stored_bytes: u64,
    generated_tokens: u64,
    load_seconds: f64,
    encode_seconds: f64,
    decode_seconds: f64,
    peak_memory_bytes: Option<u64>,
    model: String,
    fingerprint: String,
}

impl Comparison {
    pub fn new(trip: &Trip) -> Self {
        let (encoded, decoded) = (&trip.encoded, &trip.restored.decoded);
        let ratio = &encoded.ratio;
        let (char_similarity, similarity_over) = similarity(&trip.source);
        Self {
            char_similarity,
            similarity_over,
            exact: trip.source.iter().all(|texts| texts.exact),
            segments: encoded.segments,
            exact_segments: decoded.exact as u64,
            cut_off_segments: decoded.cut_off as u64,
            token_ratio: ratio.token_ratio(),
            byte_ratio: ratio.byte_ratio(),
            text_tokens: ratio.text_tokens,
            latent_positions: ratio.latent_positions,
            corrections: ratio.corrections,
            patch_bytes: ratio.patch_bytes,
            verbatim_tokens: ratio.verbatim_tokens,
            fidelity: foretold::json(encoded),
            text_bytes: ratio.text_bytes,
            stored_bytes: ratio.stored_bytes,
            generated_tokens: decoded.tokens,
            load_seconds: trip.load.as_secs_f64(),
            encode_seconds: trip.encode.as_secs_f64(),
            decode_seconds: trip.decode.as_secs_f64(),
            peak_memory_bytes: memory::peak(),
            model: encoded.model.clone(),
            fingerprint: encoded.fingerprint.to_string(),
        }
    }

    /// The results for people, and up to `diffs` of the segments that differ.
    pub fn render(&self, trip: &Trip, diffs: usize) -> String {
        let similarity = format!("{:.2}% of the characters", floored(self.char_similarity));
        let style = if self.exact { GOOD } else { BOLD };
        let of = human::counted(self.segments, "segment");
        let mut restored =
            format!("{}, {} of {of} exact", paint(style, similarity), self.exact_segments);
        if self.cut_off_segments > 0 {
            let cut_off = paint(BAD, format_args!("{} cut off", self.cut_off_segments));
            restored.push_str(&format!(", {cut_off}"));
        }
        let speed = |tokens, time| {
            let rate = human::count(human::rate(tokens, time));
            format!("{} ({rate} tokens/s)", human::seconds(time))
        };
        let bytes = human::counted(self.text_bytes, "byte");
        let mut table = Table::default()
            .row("text", format!("{bytes}, {}", human::counted(self.text_tokens, "token")))
            .row("model", &self.model)
            .row("restored", restored)
            .row("ratio", trip.encoded.ratio.to_string());
        if let Some(foretold) = foretold::sentence(&trip.encoded) {
            table = table.row("foretold", foretold);
        }
        let table = table
            .row("load", human::seconds(trip.load))
            .row("encode", speed(self.text_tokens, trip.encode))
            .row("decode", speed(self.generated_tokens, trip.decode));
        let mut text = table.to_string();
        let differing = trip.source.iter().enumerate().filter(|(_, t)| !t.exact);
        for (index, texts) in differing.take(diffs) {
            let bytes = texts.start..texts.start + texts.source.len() as u64;
            let title = format!("segment {index}, {}", human::byte_range(&bytes));
            text.push_str(&format!("\n{}\n", paint(BOLD, title)));
            text.push_str(&diff::render(&texts.source, &texts.restored));
        }
        text
    }
}

/// Percent, rounded down to two digits: only what is exact reads 100.00%.
fn floored(share: f64) -> f64 {
    (share * 10_000.0).floor() / 100.0
}

/// The char similarity of the whole texts, or where they are long that of their segments, weighted
/// by length.
fn similarity(texts: &[SegmentTexts]) -> (f64, &'static str) {
    let length: usize = texts.iter().map(|t| t.source.len().max(t.restored.len())).sum();
    if length <= WHOLE {
        let join = |part: fn(&SegmentTexts) -> &str| texts.iter().map(part).collect::<String>();
        return (char_similarity(&join(|t| &t.source), &join(|t| &t.restored)), "text");
    }
    let (mut equal, mut longer) = (0.0, 0.0);
    for text in texts {
        let chars = text.source.chars().count().max(text.restored.chars().count()) as f64;
        equal += chars * char_similarity(&text.source, &text.restored);
        longer += chars;
    }
    (equal / longer, "segments")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str, restored: &str) -> SegmentTexts {
        let (source, restored) = (source.to_owned(), restored.to_owned());
        SegmentTexts { start: 0, exact: source == restored, source, restored }
    }

    #[test]
    fn long_texts_agree_with_short_ones_where_segments_line_up() {
        let short = [texts("abcd", "abxd"), texts("efgh", "efgh")];
        assert_eq!(similarity(&short), (0.875, "text"));
        let long = [texts(&"a".repeat(WHOLE), &"a".repeat(WHOLE)), texts("b", "c")];
        let (value, over) = similarity(&long);
        assert_eq!(over, "segments");
        assert!((value - (1.0 - 1.0 / (WHOLE as f64 + 1.0))).abs() < 1e-12);
        assert_eq!(similarity(&[]), (1.0, "text"));
    }

    #[test]
    fn nothing_inexact_reads_as_all() {
        assert_eq!(format!("{:.2}", floored(0.999_999)), "99.99");
        assert_eq!(format!("{:.2}", floored(1.0)), "100.00");
    }
}
