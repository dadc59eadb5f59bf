//! What `c3 verify` finds.

use std::ops::Range;

use c3_core::{Fidelity, Segment};
use c3_exact::Finding;
use serde::Serialize;

use super::decoding::Restored;
use crate::human::{self, Table};
use crate::style::{BAD, GOOD, paint};

/// How many segments are named; all are in the JSON.
const NAMED: usize = 20;

/// What was found.
#[derive(Default, Serialize)]
pub(super) struct Findings {
    segments: usize,
    /// Whether the text given is the one that the file was made from; absent where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_text: Option<bool>,
    /// Segments made from another text than the one given.
    other_text: usize,
    /// Segments that come back exactly.
    pub exact: usize,
    /// Segments that differ.
    differing: usize,
    /// Of these, those that the file promises.
    broken_promises: usize,
    /// Segments of which something else was foretold.
    not_as_foretold: usize,
    /// Tokens that are right, but by no more than the margin; absent where no text was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_ties: Option<u64>,
    /// Whether all segments together are the source; absent where not all came back, and where a text
    /// was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_source: Option<bool>,
    /// Every segment that is not what it should be, or differs as the file says, in order.
    found: Vec<Found>,
}

/// What is the matter with a segment.
#[derive(Serialize)]
struct Found {
    segment: usize,
    bytes: [u64; 2],
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// It was made from another text.
    OtherText,
    /// It differs, and the file says that it is exact.
    BrokenPromise,
    /// Other tokens differ than the file says.
    NotAsForetold,
    /// It differs, and the file says so or says nothing.
    Differs,
}

impl What {
    fn said(self) -> &'static str {
        match self {
            Self::OtherText => "of another text",
            Self::BrokenPromise => "promised, but differs",
            Self::NotAsForetold => "not as foretold",
            Self::Differs => "differs",
        }
    }
}

impl Findings {
    /// Nothing yet, of so many segments.
    pub fn of(segments: usize) -> Self {
        Self { segments, ..Self::default() }
    }

    /// Counts segments that were decoded, none of which broke its promise.
    pub fn add_restored(&mut self, Restored { decoded, differing, .. }: &Restored) {
        self.exact += decoded.exact;
        self.differing += differing.len();
        for of in differing {
            let what = match of.foretold_mismatches {
                Some(0) => What::NotAsForetold,
                _ => What::Differs,
            };
            self.note(of.segment, of.bytes, what);
        }
    }

    /// Counts a segment that was decoded and broke its promise.
    pub fn add_broken(&mut self, segment: usize, bytes: &Range<u64>) {
        self.differing += 1;
        self.note(segment, [bytes.start, bytes.end], What::BrokenPromise);
    }

    fn note(&mut self, segment: usize, bytes: [u64; 2], what: What) {
        match what {
            What::OtherText => self.other_text += 1,
            What::BrokenPromise => self.broken_promises += 1,
            What::NotAsForetold => self.not_as_foretold += 1,
            What::Differs => {}
        }
        self.found.push(Found { segment, bytes, what });
    }

    /// Counts a segment that was compared with its text.
    pub fn add(&mut self, number: usize, segment: &Segment, finding: &Finding) {
        if let Finding::Verified { near_ties, .. } = *finding {
            *self.near_ties.get_or_insert(0) += u64::from(near_ties);
        }
        let what = match *finding {
            Finding::OtherText => What::OtherText,
            Finding::Verbatim | Finding::Verified { mismatches: 0, as_stored: true, .. } => {
                self.exact += 1;
                return;
            }
            Finding::Verified { mismatches: 0, .. } => {
                self.exact += 1;
                What::NotAsForetold
            }
            Finding::Verified { as_stored, .. } => {
                self.differing += 1;
                match (&segment.fidelity, as_stored) {
                    (Fidelity::Exact { .. }, _) => What::BrokenPromise,
                    (_, false) => What::NotAsForetold,
                    (_, true) => What::Differs,
                }
            }
        };
        self.note(number, [segment.bytes.start, segment.bytes.end], what);
    }

    /// Whether the file keeps what it says.
    pub fn is_sound(&self) -> bool {
        let same = self.same_text.unwrap_or(true) && self.same_source.unwrap_or(true);
        same && self.other_text + self.broken_promises + self.not_as_foretold == 0
    }

    /// A table for people, with the first segments that are not what they should be.
    pub fn render(&self) -> String {
        let number = |count: usize| human::count(count as u64);
        let mut table = Table::default()
            .row("segments", number(self.segments))
            .row("come back", number(self.exact))
            .row("differ", number(self.differing));
        if let Some(same) = self.same_text {
            let said = match same {
                true => paint(GOOD, "the one that it was made from"),
                false => paint(BAD, format_args!("another: {} differ", self.other_text)),
            };
            table = table.row("text", said);
        }
        if let Some(tokens) = self.near_ties.filter(|&tokens| tokens > 0) {
            let tokens = human::counted(tokens, "token");
            table = table.row("near ties", format!("{tokens} right by no more than the margin"));
        }
        if self.same_source == Some(false) {
            let said = "another than that of the source, though each segment's is right";
            table = table.row("sha-256", paint(BAD, said));
        }
        let verdict = match (self.broken_promises, self.not_as_foretold, self.is_sound()) {
            (0, 0, true) => paint(GOOD, "as the file says"),
            (0, 0, false) => paint(BAD, "not the text of this file"),
            (broken, others, _) => paint(
                BAD,
                format_args!("{broken} promises not kept, {others} segments not as foretold"),
            ),
        };
        format!("{table}\n{verdict}\n{}", self.named())
    }

    /// A line for each of the first segments that are not what they should be.
    fn named(&self) -> String {
        let unsound = || self.found.iter().filter(|found| found.what != What::Differs);
        let mut lines = String::new();
        for Found { segment, bytes: [start, end], what } in unsound().take(NAMED) {
            let bytes = human::byte_range(&(*start..*end));
            lines += &format!("segment {segment} ({bytes}): {}\n", what.said());
        }
        match unsound().count().saturating_sub(NAMED) {
            0 => lines,
            more => lines + &format!("and {} more\n", human::count(more as u64)),
        }
    }
}
