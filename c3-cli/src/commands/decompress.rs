//! `c3 decompress`: a `.c3` file to text.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use c3_core::{DecodeRequest, SegmentSource};
use serde::Serialize;

use super::Context;
use super::decoding::{Differing, Restored, decode, explained, load_for, source_bytes};
use super::ranges::{Cut, covering};
use crate::compute::Compute;
use crate::human;
use crate::input::Input;
use crate::memory::{self, Decoding, Job};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::Outcome;

/// What to decompress, where to, and how.
pub struct Decompress {
    pub input: Input,
    pub output: Output,
    pub compute: Compute,
    pub request: DecodeRequest,
    /// Bytes of the source to write, where not all of them.
    pub bytes: Option<Range<u64>>,
    pub strict: bool,
    pub json: bool,
}

/// What decompressing came to.
struct Done {
    restored: Restored,
    text_bytes: u64,
    seconds: Duration,
    model: String,
}

impl Decompress {
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let done = self.compute.install(|| self.decompress(context))?;
        let decoded = &done.restored.decoded;
        let own_question = self.request.question.is_none();
        context.ui.detail(|| {
            let segments = human::counted(decoded.segments as u64, "segment");
            let (tokens, time) = (human::count(decoded.tokens), human::seconds(done.seconds));
            let rate = human::count(human::rate(decoded.tokens, done.seconds));
            format!("{segments}, {tokens} tokens in {time} ({rate} tokens/s)")
        });
        memory::tell_peak(&context.ui);
        done.restored.warn(&context.ui, own_question);
        if self.json {
            output::print_json(&Summary::new(&done, own_question))?;
        }
        let differs = own_question && decoded.exact < decoded.segments;
        let failed = self.strict && (differs || decoded.cut_off > 0);
        Ok(if failed { Outcome::Failed } else { Outcome::Done })
    }

    fn decompress(&self, context: &Context) -> anyhow::Result<Done> {
        // Whatever is wrong with either end is said before the model is loaded.
        let file = self.input.open_latents()?;
        let mut out = self.output.open_text()?;
        let checkpoint = self.compute.checkpoint(&context.hub)?;
        let mut request = self.request.clone();
        if let Some(bytes) = &self.bytes {
            request.segments = Some(covering(&file, bytes)?);
        }
        let fit = self.compute.fit(&Job {
            checkpoint: &checkpoint,
            threads: self.compute.thread_count(),
            encoding: None,
            verifies: false,
            decoding: Some(Decoding::of_file(&checkpoint, &request, &file)?),
            held_text: 0,
        })?;
        memory::tell(&context.ui, &fit);
        request.batch = fit.batch(fit.rows.decode).or(request.batch);
        let decoder = load_for(&file, &checkpoint, &fit.options)?;
        context.ui.detail(|| {
            let model = &file.provenance().model;
            format!(
                "{} segments by {model}, decoded by {}",
                file.segment_count(),
                checkpoint.name()
            )
        });

        let start = Instant::now();
        // A bar would run through the text.
        let shows_text = matches!(self.output, Output::Stdout) && std::io::stdout().is_terminal();
        let progress = if shows_text {
            Progress::hidden()
        } else {
            let total = source_bytes(&file, &request);
            Progress::bytes(&context.ui, "decompressing", Some(total))
        };
        let mut text_bytes = 0;
        let mut cut = self.bytes.clone().map(Cut::new);
        let restored = decode(&decoder, &file, &request, &progress, &mut |segment, text| {
            let text = match &mut cut {
                Some(cut) => cut.part(segment, &file.segment_info(segment)?.bytes, text),
                None => text,
            };
            text_bytes += text.len() as u64;
            out.write_all(text).with_context(|| format!("can't write {}", self.output))
        });
        let restored = restored.map_err(|error| explained(error, &decoder, &file))?;
        out.commit()?;
        let (seconds, model) = (start.elapsed(), self.compute.model.name(&checkpoint));
        Ok(Done { restored, text_bytes, seconds, model })
    }
}

/// For scripts.
#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    segments: usize,
    /// Absent for an answer to another question.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact_segments: Option<usize>,
    cut_off_segments: usize,
    /// Tokens that were foretold to differ in the segments that do.
    foretold_mismatches: u64,
    /// Absent as `exact_segments` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    differing: Option<&'a [Differing]>,
    tokens: u64,
    text_bytes: u64,
    decode_seconds: f64,
    peak_memory_bytes: Option<u64>,
}

impl<'a> Summary<'a> {
    fn new(done: &'a Done, own_question: bool) -> Self {
        let decoded = &done.restored.decoded;
        Self {
            model: &done.model,
            segments: decoded.segments,
            exact_segments: own_question.then_some(decoded.exact),
            cut_off_segments: decoded.cut_off,
            foretold_mismatches: done.restored.foretold,
            differing: own_question.then_some(&*done.restored.differing),
            tokens: decoded.tokens,
            text_bytes: done.text_bytes,
            decode_seconds: done.seconds.as_secs_f64(),
            peak_memory_bytes: memory::peak(),
        }
    }
}
