//! What exact compression costs, and whether checked compression foretells what happens:
//!
//! ```sh
//! cargo run --release -p c3-bench --example exactness -- --held-out test.txt --out-of-domain ood.txt \
//!     [--model DIR] [--ratios 4,8,16,32] [--segments 10000] [--plot docs/exactness.svg]
//! ```
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

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use c3_bench::kinds::{Kind, kinds};
use c3_core::{
    Compression, DecodeEvent, DecodeRequest, DecodedSegment, Decoder, Fidelity, LatentContext,
    Segment, SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_exact::{CompressRequest, Compressor, Level};
use c3_nn::{Checkpoint, LoadOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use plot::Curve;

struct Options {
    model: PathBuf,
    held_out: PathBuf,
    out_of_domain: PathBuf,
    ratios: Vec<u32>,
    segments: usize,
    plot: Option<PathBuf>,
}

fn options() -> Result<Options> {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny").into();
    let (mut held_out, mut out_of_domain) = (None, None);
    let (mut ratios, mut segments, mut plot) = (vec![4, 8, 16, 32], 10_000, None);
    let mut model: PathBuf = model;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--model" => model = value.into(),
            "--held-out" => held_out = Some(value.into()),
            "--out-of-domain" => out_of_domain = Some(value.into()),
            "--ratios" => {
                ratios = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--segments" => segments = value.parse()?,
            "--plot" => plot = Some(value.into()),
            other => bail!("unknown option {other}"),
        }
    }
    let held_out = held_out.context("--held-out names a corpus file")?;
    let out_of_domain = out_of_domain.context("--out-of-domain names a corpus file")?;
    Ok(Options { model, held_out, out_of_domain, ratios, segments, plot })
}

fn main() -> Result<()> {
    let options = options()?;
    let checkpoint = Checkpoint::open(&options.model)?;
    let encoder = C3Encoder::load(&checkpoint, &LoadOptions::default())?;
    let decoder = C3Decoder::load(&checkpoint, &LoadOptions::default())?;
    let stages = Stages {
        compressor: Compressor::new(&encoder, &decoder)?,
        encoder: &encoder,
        decoder: &decoder,
    };
    let each = options.segments.div_ceil(7 * options.ratios.len());
    // A token is a few bytes; what is more than needed is cut off.
    let bytes = 8 * each * encoder.config().segment_tokens;
    let kinds = kinds(&options.held_out, &options.out_of_domain, bytes)?;
    println!(
        "| text | ratio | segments | byte for byte | kept as text | corrections per 1,000 tokens | \
         per segment | nominal ratio | honest ratio | 95% interval | foretold to be right | first \
         difference as foretold |"
    );
    println!("|{}", "---|".repeat(12));
    let mut curves = Vec::new();
    let (mut exact, mut segments) = (0, 0);
    for kind in &kinds {
        let mut points = Vec::new();
        for &ratio in &options.ratios {
            let text = stages.cut(kind, ratio, each)?;
            let row =
                Row { exact: stages.exact(&text, ratio)?, checked: stages.checked(&text, ratio)? };
            println!("| {} | {ratio}× | {row} |", kind.name);
            exact += row.exact.came_back;
            segments += row.exact.segments.len();
            let (honest, interval) = (row.exact.honest(), row.exact.interval());
            points.push((f64::from(ratio), honest, interval));
        }
        curves.push(Curve { name: kind.name, points });
    }
    println!("\n{exact} of {segments} segments came back byte for byte.");
    if let Some(path) = &options.plot {
        plot::draw(path, &curves)?;
    }
    ensure!(exact == segments, "exact compression lost bytes");
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
        let mut came_back = 0;
        let mut bytes: Vec<Vec<u8>> = vec![Vec::new(); context.segment_count()];
        self.decoder.decode(&context, &DecodeRequest::default(), &mut |event| {
            match event {
                DecodeEvent::Text { segment, text } => bytes[segment].extend(text.as_bytes()),
                DecodeEvent::Bytes { segment, bytes: own } => bytes[segment].extend(own),
                DecodeEvent::Segment(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        for (segment, bytes) in context.segments().iter().zip(&bytes) {
            let place = segment.bytes.start as usize..segment.bytes.end as usize;
            came_back += usize::from(text[place] == bytes[..]);
        }
        let segments = context.segments().iter().map(Cost::of).collect();
        Ok(Exact { segments, came_back })
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
            checked.add(self, segment, decoded, &lossy[place])?;
        }
        Ok(checked)
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

/// What a segment costs, in decoder positions.
#[derive(Clone, Copy)]
struct Cost {
    tokens: u64,
    latents: u64,
    corrections: u64,
    all: u64,
    verbatim: bool,
}

impl Cost {
    fn of(segment: &Segment) -> Self {
        let tokens = u64::from(segment.text_tokens);
        let latents = segment.latents.rows() as u64 + 2;
        match &segment.fidelity {
            Fidelity::Exact { corrections, patches } => {
                let patched: usize = patches.iter().map(|patch| patch.bytes.len()).sum();
                let corrections = corrections.len() as u64;
                let all = latents + corrections + patched as u64;
                Self { tokens, latents, corrections, all, verbatim: false }
            }
            _ => Self { tokens, latents: tokens, corrections: 0, all: tokens, verbatim: true },
        }
    }
}

struct Exact {
    segments: Vec<Cost>,
    came_back: usize,
}

impl Exact {
    fn honest(&self) -> f64 {
        ratio(self.segments.iter())
    }

    /// Percentile bootstrap over segments, 1,000 resamples, a fixed seed.
    fn interval(&self) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let count = self.segments.len();
        let mut ratios: Vec<f64> = (0..1000)
            .map(|_| {
                let draw: Vec<&Cost> =
                    (0..count).map(|_| &self.segments[rng.random_range(0..count)]).collect();
                ratio(draw.into_iter())
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        (ratios[25], ratios[974])
    }
}

fn ratio<'a>(costs: impl Iterator<Item = &'a Cost>) -> f64 {
    let (tokens, all) = costs.fold((0, 0), |(t, a), cost| (t + cost.tokens, a + cost.all));
    tokens as f64 / all as f64
}

#[derive(Default)]
struct Checked {
    segments: usize,
    right: usize,
    as_foretold: usize,
}

impl Checked {
    fn add(
        &mut self,
        stages: &Stages<'_>,
        segment: &Segment,
        decoded: &DecodedSegment,
        text: &str,
    ) -> Result<()> {
        let Fidelity::Checked { mismatches, first } = segment.fidelity else {
            bail!("a segment that was not checked");
        };
        let ids = stages.encoder.tokenizer().encode(text)?;
        let spelled: Vec<u8> = ids
            .iter()
            .filter_map(|&id| stages.encoder.tokenizer().token_bytes(id))
            .flatten()
            .copied()
            .collect();
        self.segments += 1;
        self.right += usize::from(mismatches == 0);
        let found = ids.iter().zip(&decoded.tokens).position(|(a, b)| a != b);
        let found = found.or_else(|| {
            let (ours, theirs) = (ids.len(), decoded.tokens.len());
            (ours != theirs).then(|| ours.min(theirs))
        });
        // Where the tokenizer changes the text, right tokens may spell it wrong: then the verdict on
        // the whole segment counts.
        self.as_foretold += usize::from(match spelled == text.as_bytes() {
            true => first.map(|at| at as usize) == found,
            false => decoded.exact == (mismatches == 0),
        });
        Ok(())
    }
}

struct Row {
    exact: Exact,
    checked: Checked,
}

/// The table's columns.
impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exact: Exact { segments, came_back }, checked } = self;
        let latent: Vec<&Cost> = segments.iter().filter(|cost| !cost.verbatim).collect();
        let sum = |of: fn(&Cost) -> u64| latent.iter().map(|cost| of(cost)).sum::<u64>() as f64;
        let (tokens, corrections) = (sum(|c| c.tokens), sum(|c| c.corrections));
        let count = segments.len();
        let share = |part: usize, of: usize| 100.0 * part as f64 / of as f64;
        write!(
            f,
            "{count} | {:.2}% | {:.1}% |",
            share(*came_back, count),
            share(count - latent.len(), count)
        )?;
        match latent.len() {
            0 => write!(f, " – | – | – |")?,
            some => write!(
                f,
                " {:.1} | {:.2} | {:.2} |",
                1000.0 * corrections / tokens,
                corrections / some as f64,
                tokens / sum(|c| c.latents),
            )?,
        }
        let (low, high) = self.exact.interval();
        write!(f, " {:.2} | {low:.2}–{high:.2} |", self.exact.honest())?;
        let Checked { segments, right, as_foretold } = *checked;
        write!(f, " {:.1}% | {as_foretold} of {segments}", share(right, segments))
    }
}
