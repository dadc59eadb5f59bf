//! `c3 diff`: two `.c3` files by the hashes of their segments.

use std::ops::Range;

use c3_core::{LatentFile, SegmentSource};
use serde::Serialize;
use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::input::{Bytes, Input};
use crate::report::Outcome;
use crate::style::{BAD, GOOD, paint};
use crate::{human, output};

/// What to compare.
pub struct Compare {
    pub old: Input,
    pub new: Input,
    pub json: bool,
}

/// What two files have in common.
#[derive(Serialize)]
struct Comparison {
    same_text: bool,
    equal_segments: usize,
    only_in_a: Vec<Place>,
    only_in_b: Vec<Place>,
}

/// A segment's place in its own file.
#[derive(Clone, Serialize)]
struct Place {
    segment: usize,
    bytes: [u64; 2],
    hash: String,
}

impl Compare {
    pub fn run(self) -> anyhow::Result<Outcome> {
        let (old, new) = (self.old.open_latents()?, self.new.open_latents()?);
        let (a, b) = (segments(&old)?, segments(&new)?);
        let keys = |segments: &[Segment]| -> Vec<(u64, u64)> {
            segments.iter().map(|s| (s.hash, s.bytes.end - s.bytes.start)).collect()
        };
        let mut comparison = Comparison {
            same_text: old.source() == new.source(),
            equal_segments: 0,
            only_in_a: Vec::new(),
            only_in_b: Vec::new(),
        };
        let mut lines = String::new();
        for op in capture_diff_slices(Algorithm::Myers, &keys(&a), &keys(&b)) {
            if op.tag() == DiffTag::Equal {
                comparison.equal_segments += op.old_range().len();
                continue;
            }
            for (sign, style, all, range, only) in [
                ('-', BAD, &a, op.old_range(), &mut comparison.only_in_a),
                ('+', GOOD, &b, op.new_range(), &mut comparison.only_in_b),
            ] {
                for segment in range {
                    let Segment { bytes, tokens, hash } = &all[segment];
                    let place = human::byte_range(bytes);
                    let tokens = human::counted(u64::from(*tokens), "token");
                    let line = format!("{sign} segment {segment}, {place}, {tokens}");
                    lines.push_str(&format!("{}\n", paint(style, line)));
                    let (bytes, hash) = ([bytes.start, bytes.end], format!("{hash:016x}"));
                    only.push(Place { segment, bytes, hash });
                }
            }
        }
        if self.json {
            output::print_json(&comparison)?;
        } else {
            output::print(&comparison.render(lines))?;
        }
        Ok(if comparison.same_text { Outcome::Done } else { Outcome::Failed })
    }
}

impl Comparison {
    fn render(&self, lines: String) -> String {
        let equal = human::counted(self.equal_segments as u64, "segment");
        match (self.same_text, lines.is_empty()) {
            (true, true) => format!("the same text, in {equal}\n"),
            // Cut elsewhere.
            (true, false) => format!("the same text; {equal} in common\n{lines}"),
            (false, _) => format!("{equal} in common\n{lines}"),
        }
    }
}

/// What is compared of a segment.
struct Segment {
    bytes: Range<u64>,
    tokens: u32,
    hash: u64,
}

fn segments(file: &LatentFile<Bytes>) -> anyhow::Result<Vec<Segment>> {
    let of = |index| {
        let info = file.segment_info(index)?;
        Ok(Segment { bytes: info.bytes, tokens: info.text_tokens, hash: info.hash })
    };
    (0..file.segment_count()).map(of).collect()
}
