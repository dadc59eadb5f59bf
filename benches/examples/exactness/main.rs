//! What exact compression costs, and whether checked compression foretells what happens:
//!
//! ```sh
//! cargo run --release -p c3-bench --example exactness -- --held-out test.txt --out-of-domain ood.txt \
//!     [--model DIR] [--weights f32] [--ratios 4,8,16,32] [--segments 10000] [--plot docs/exactness.svg]
//! ```
//!
//! `--weights` keeps both stages' weights so, `bf16` with activations rounded to bf16 too.
//!
//! Corpus files are as `corpus/prepare.py` writes them, each with its index beside it. Of seven kinds of
//! text, an equal share of the segments for each ratio. Per kind and ratio, and summed over the kinds:
//!
//! * exact: segments, those that came back byte for byte under free-running decoding, those kept as
//!   text, corrections per 1,000 tokens and per segment, the nominal ratio (tokens per latent and
//!   marker) and the honest one (corrections, patches and kept text counted as positions), with a 95%
//!   bootstrap interval over segments;
//! * checked: segments with no token foretold to differ, and those of which the first token that differs
//!   is where it was foretold to be, or absent as foretold.
//!
//! A text that is not UTF-8 is checked as its lossy text, since only the exact level takes bytes.

mod plot;
mod rows;

use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use c3_bench::kinds::{Kind, kinds};
use c3_core::{
    Compression, DecodeEvent, DecodeRequest, DecodedSegment, Decoder, Fidelity, LatentContext,
    Segment, SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_exact::{CompressRequest, Compressor, Level};
use c3_nn::{Activations, Checkpoint, LoadOptions, WeightDtype};
use clap::Parser;
use plot::Curve;
use rows::{Checked, Cost, Exact, Row};

/// Measure what exact compression costs, and whether checked compression foretells what happens
#[derive(Parser)]
struct Options {
    /// Checkpoint, a folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny"))]
    model: PathBuf,
    /// How weights are kept in memory
    #[arg(long, default_value = "f32")]
    weights: WeightDtype,
    /// Corpus file of prose, Chinese and code that nothing was trained on
    #[arg(long)]
    held_out: PathBuf,
    /// Corpus file of English of another kind than was trained on
    #[arg(long)]
    out_of_domain: PathBuf,
    /// Text tokens for each latent
    #[arg(long, value_delimiter = ',', default_value = "4,8,16,32")]
    ratios: Vec<u32>,
    /// Segments in all
    #[arg(long, default_value = "10000")]
    segments: NonZeroUsize,
    /// SVG file to draw the honest ratios to
    #[arg(long)]
    plot: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let checkpoint = Checkpoint::open(&options.model)?;
    let (dtype, activations) = (options.weights, Activations::Bf16);
    let load = LoadOptions { dtype, activations, ..LoadOptions::default() };
    let encoder = C3Encoder::load(&checkpoint, &load)?;
    let decoder = C3Decoder::load(&checkpoint, &load)?;
    let stages = Stages {
        compressor: Compressor::new(&encoder, &decoder)?,
        encoder: &encoder,
        decoder: &decoder,
    };
    let each = options.segments.get().div_ceil(7 * options.ratios.len());
    // A token is a few bytes; what is more than needed is cut off.
    let bytes = 8 * each * encoder.config().segment_tokens;
    let kinds = kinds(&options.held_out, &options.out_of_domain, bytes)?;
    println!("| text | ratio | {}", Row::HEAD);
    println!("|{}", "---|".repeat(12));
    let mut curves = Vec::new();
    let mut sums: Vec<Row> = options.ratios.iter().map(|_| Row::default()).collect();
    for kind in &kinds {
        let mut points = Vec::new();
        for (&ratio, sum) in options.ratios.iter().zip(&mut sums) {
            let text = stages.cut(kind, ratio, each)?;
            let row =
                Row { exact: stages.exact(&text, ratio)?, checked: stages.checked(&text, ratio)? };
            println!("| {} | {ratio}× | {row} |", kind.name);
            points.push((f64::from(ratio), row.exact.honest(), row.exact.interval()));
            sum.add(row);
        }
        curves.push(Curve { name: kind.name, points });
    }
    let mut all = Row::default();
    for (ratio, sum) in options.ratios.iter().zip(sums) {
        println!("| all | {ratio}× | {sum} |");
        all.add(sum);
    }
    let (exact, foretold, segments) =
        (all.exact.came_back, all.checked.as_foretold, all.exact.segments.len());
    println!("\n{exact} of {segments} segments came back byte for byte.");
    println!(
        "{foretold} of {} differ first where it was foretold, or nowhere.",
        all.checked.segments
    );
    if let Some(path) = &options.plot {
        plot::draw(path, &curves)?;
    }
    ensure!(exact == segments, "exact compression lost bytes");
    ensure!(foretold == all.checked.segments, "checked compression foretold something else");
    Ok(())
}

struct Stages<'a> {
    compressor: Compressor<'a>,
    encoder: &'a C3Encoder,
    decoder: &'a C3Decoder,
}

impl Stages<'_> {
    /// As much of a text as makes `count` segments.
    fn cut(&self, kind: &Kind, ratio: u32, count: usize) -> Result<Vec<u8>> {
        let bank = Bank::choose(self.encoder.config(), Compression::Ratio(ratio))?;
        let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: true };
        let pieces = Segmenter::new(&kind.text[..], self.encoder.tokenizer(), options)?;
        let mut characters = 0;
        for piece in pieces.take(count) {
            characters += piece?.text.chars().count();
        }
        // In bytes of the source, whose stray ones are characters of the text.
        let mut end = 0;
        for chunk in kind.text.utf8_chunks() {
            for c in chunk.valid().chars() {
                if characters == 0 {
                    return Ok(kind.text[..end].to_vec());
                }
                (end, characters) = (end + c.len_utf8(), characters - 1);
            }
            if !chunk.invalid().is_empty() {
                if characters == 0 {
                    break;
                }
                (end, characters) = (end + chunk.invalid().len(), characters - 1);
            }
        }
        Ok(kind.text[..end].to_vec())
    }

    fn exact(&self, text: &[u8], ratio: u32) -> Result<Exact> {
        let level = Level::Exact { max_corrections: None };
        let context = self.compress(text, ratio, level, false)?;
        let count = context.segment_count();
        let decoded = match self.bytes(&context, 0..count) {
            // A segment that is lost mustn't hide the others.
            Err(c3_decoder::Error::BrokenPromise { .. }) => (0..count)
                .flat_map(|index| match self.bytes(&context, index..index + 1) {
                    Ok(own) => own.into_iter().map(Some).collect(),
                    Err(_) => vec![None],
                })
                .collect(),
            other => other?.into_iter().map(Some).collect::<Vec<_>>(),
        };
        let mut came_back = 0;
        for (segment, bytes) in context.segments().iter().zip(&decoded) {
            let place = segment.bytes.start as usize..segment.bytes.end as usize;
            came_back += usize::from(bytes.as_deref() == Some(&text[place]));
        }
        let segments = context.segments().iter().map(Cost::of).collect();
        Ok(Exact { segments, came_back })
    }

    /// What each of these segments decodes to.
    fn bytes(
        &self,
        context: &LatentContext,
        range: Range<usize>,
    ) -> Result<Vec<Vec<u8>>, c3_decoder::Error> {
        let mut bytes = vec![Vec::new(); range.len()];
        let request = DecodeRequest { segments: Some(range.clone()), ..DecodeRequest::default() };
        self.decoder.decode(context, &request, &mut |event| {
            match event {
                DecodeEvent::Text { segment, text } => {
                    bytes[segment - range.start].extend(text.as_bytes());
                }
                DecodeEvent::Bytes { segment, bytes: own } => {
                    bytes[segment - range.start].extend(own);
                }
                DecodeEvent::Segment(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(bytes)
    }

    fn checked(&self, text: &[u8], ratio: u32) -> Result<Checked> {
        let level = Level::Checked { min_precision: None, budget: None };
        let context = self.compress(text, ratio, level, true)?;
        let lossy = String::from_utf8_lossy(text);
        let mut decoded: Vec<DecodedSegment> = Vec::new();
        self.decoder.decode(&context, &DecodeRequest::default(), &mut |event| {
            if let DecodeEvent::Segment(segment) = event {
                decoded.push(segment.clone());
            }
            ControlFlow::Continue(())
        })?;
        let mut checked = Checked::default();
        for (segment, decoded) in context.segments().iter().zip(&decoded) {
            let place = segment.bytes.start as usize..segment.bytes.end as usize;
            self.check(&mut checked, segment, decoded, &lossy[place])?;
        }
        Ok(checked)
    }

    fn check(
        &self,
        checked: &mut Checked,
        segment: &Segment,
        decoded: &DecodedSegment,
        text: &str,
    ) -> Result<()> {
        let Fidelity::Checked { mismatches, first, .. } = segment.fidelity else {
            bail!("a segment that was not checked");
        };
        let ids = self.encoder.tokenizer().encode(text)?;
        let spelled: Vec<u8> = ids
            .iter()
            .filter_map(|&id| self.encoder.tokenizer().token_bytes(id))
            .flatten()
            .copied()
            .collect();
        checked.segments += 1;
        checked.right += usize::from(mismatches == 0);
        let found = ids.iter().zip(&decoded.tokens).position(|(a, b)| a != b);
        let found = found.or_else(|| {
            let (ours, theirs) = (ids.len(), decoded.tokens.len());
            (ours != theirs).then(|| ours.min(theirs))
        });
        // Where the tokenizer changes the text, right tokens may spell it wrong: then the verdict on
        // the whole segment counts.
        checked.as_foretold += usize::from(match spelled == text.as_bytes() {
            true => first.map(|at| at as usize) == found,
            false => decoded.exact == (mismatches == 0),
        });
        Ok(())
    }

    fn compress(
        &self,
        text: &[u8],
        ratio: u32,
        level: Level,
        lossy: bool,
    ) -> Result<LatentContext> {
        let compression = Compression::Ratio(ratio);
        let request = CompressRequest { compression, lossy, ..CompressRequest::new(level) };
        Ok(self.compressor.compress_bytes(text, &request)?)
    }
}
