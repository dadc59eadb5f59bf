//! `c3 grep`: a regular expression in the text of a `.c3` file.

use std::ops::Range;

use c3_core::DecodeRequest;
use regex::bytes::Regex;
use serde_json::json;

use super::Context;
use super::decoding::{decode, explained, load_for};
use crate::compute::Compute;
use crate::input::Input;
use crate::memory::{self, Decoding, Job};
use crate::output;
use crate::progress::Progress;
use crate::report::Outcome;
use crate::style::{DIM, GOOD, paint};

/// What to search for, and where.
pub struct Grep {
    pub pattern: Regex,
    pub input: Input,
    /// Lines after which it is enough.
    pub most: Option<usize>,
    pub count: bool,
    pub compute: Compute,
    pub request: DecodeRequest,
    pub json: bool,
}

/// As many lines as were asked for have come.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

impl Grep {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let found = self.compute.install(|| self.search(context))?;
        if self.count {
            output::print(&format!("{found}\n"))?;
        }
        Ok(if found > 0 { Outcome::Done } else { Outcome::Failed })
    }

    /// The number of lines that matched.
    fn search(&self, context: &Context) -> anyhow::Result<usize> {
        let file = self.input.open_latents()?;
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let mut request = self.request.clone();
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            encoding: None,
            decoding: Some(Decoding::of_file(&checkpoint, &request, &file)?),
            verifies: false,
            held_text: 0,
        })?;
        memory::tell(&context.ui, &fit);
        request.batch = fit.batch(fit.rows.decode).or(request.batch);
        request.gradual = self.most.is_some();
        let decoder = load_for(&file, &checkpoint, &fit.options)?;

        let (mut lines, mut found, mut at) = (Lines::default(), 0, (usize::MAX, 0));
        let mut tell = |line: Line<'_>| -> anyhow::Result<()> {
            found += usize::from(self.tell(&line)?);
            if self.most == Some(found) { Err(Enough.into()) } else { Ok(()) }
        };
        let hidden = Progress::hidden();
        let searched = decode(&decoder, &file, &request, &hidden, &mut |segment, bytes| {
            if segment != at.0 {
                at = (segment, file.segment_info(segment)?.bytes.start);
            }
            let start = at.1;
            at.1 += bytes.len() as u64;
            lines.push(start, bytes, &mut tell)
        });
        let restored = match searched.and_then(|restored| {
            lines.finish(&mut tell)?;
            Ok(restored)
        }) {
            Ok(restored) => restored,
            Err(error) if error.is::<Enough>() => return Ok(found),
            Err(error) => return Err(explained(error, &decoder, &file)),
        };
        restored.warn(&context.ui, true);
        Ok(found)
    }

    /// Prints a line that matches; says whether it does.
    fn tell(&self, Line { start, bytes }: &Line<'_>) -> anyhow::Result<bool> {
        let matches: Vec<Range<usize>> =
            self.pattern.find_iter(bytes).map(|found| found.range()).collect();
        if matches.is_empty() {
            return Ok(false);
        }
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        if self.json {
            let places = matches.iter().map(|m| [start + m.start as u64, start + m.end as u64]);
            let places: Vec<[u64; 2]> = places.collect();
            let line = json!({"offset": start, "matches": places, "line": text(bytes)});
            output::print(&format!("{line}\n"))?;
        } else if !self.count {
            let mut line = paint(DIM, format_args!("{start}:"));
            let mut end = 0;
            for found in matches {
                line.push_str(&text(&bytes[end..found.start]));
                line.push_str(&paint(GOOD, text(&bytes[found.clone()])));
                end = found.end;
            }
            output::print(&format!("{line}{}\n", text(&bytes[end..])))?;
        }
        Ok(true)
    }
}

/// A line without its end, and where it starts in the source.
struct Line<'a> {
    start: u64,
    bytes: &'a [u8],
}

/// Text that comes in pieces, by the line.
#[derive(Default)]
struct Lines {
    start: u64,
    begun: Vec<u8>,
}

type Sink<'a> = &'a mut dyn FnMut(Line<'_>) -> anyhow::Result<()>;

impl Lines {
    /// Takes the next piece, which starts at `start` in the source.
    fn push(&mut self, mut start: u64, mut piece: &[u8], sink: Sink<'_>) -> anyhow::Result<()> {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            self.extend(start, &piece[..end]);
            sink(Line { start: self.start, bytes: self.begun.trim_ascii_end_cr() })?;
            self.begun.clear();
            piece = &piece[end + 1..];
            start += end as u64 + 1;
            self.start = start;
        }
        self.extend(start, piece);
        Ok(())
    }

    fn extend(&mut self, start: u64, bytes: &[u8]) {
        if self.begun.is_empty() {
            self.start = start;
        }
        self.begun.extend_from_slice(bytes);
    }

    /// The last line has no end.
    fn finish(self, sink: Sink<'_>) -> anyhow::Result<()> {
        match self.begun.is_empty() {
            true => Ok(()),
            false => sink(Line { start: self.start, bytes: &self.begun }),
        }
    }
}

trait WithoutReturn {
    /// Without a carriage return at the end.
    fn trim_ascii_end_cr(&self) -> &[u8];
}

impl WithoutReturn for Vec<u8> {
    fn trim_ascii_end_cr(&self) -> &[u8] {
        self.strip_suffix(b"\r").unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        let text = b"one\n\ntwo and\r\nthree";
        for size in 1..text.len() + 1 {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let mut sink = |line: Line<'_>| {
                found.push((line.start, String::from_utf8(line.bytes.to_vec()).unwrap()));
                Ok(())
            };
            for (number, piece) in text.chunks(size).enumerate() {
                lines.push((number * size) as u64, piece, &mut sink).unwrap();
            }
            lines.finish(&mut sink).unwrap();
            let expected = [(0, "one"), (4, ""), (5, "two and"), (14, "three")];
            assert_eq!(found, expected.map(|(at, line)| (at, line.to_owned())), "{size}");
        }
    }
}
