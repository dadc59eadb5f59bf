//! Free-running reconstruction of held-out text, for model cards:
//!
//! ```sh
//! cargo run --release -p c3-bench --example fidelity -- [--model DIR] [--ratios 4,8] \
//!     [--dtype f32] [--quantize q8_0,q4_k] FILE.jsonl …
//! ```
//!
//! Each line of a file is an object with a `text`. Both stages' weights are kept as `--dtype` says,
//! and then once more as each type of `--quantize`, so that one table shows what quantising costs.
//! Per way to keep them, file and ratio: the mean char similarity
//! (1 − Levenshtein / longer length, in characters) under greedy decoding with its 95% bootstrap
//! interval, the share of texts that came back exactly, and the corrections per 1,000 tokens that one
//! teacher-forced pass counts.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use c3_core::{
    Compression, DecodeEvent, DecodeRequest, Decoder, EncodeRequest, Encoder, LatentContext,
    Segment, SegmentSource, SourceHasher, char_similarity,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_nn::{Checkpoint, LoadOptions, WeightDtype};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Options {
    model: PathBuf,
    ratios: Vec<u32>,
    /// How weights are kept, one after the other.
    weights: Vec<WeightDtype>,
    files: Vec<PathBuf>,
}

fn options() -> Result<Options> {
    let mut options = Options {
        model: concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny").into(),
        ratios: vec![4, 8, 16, 32],
        weights: vec![WeightDtype::F32],
        files: Vec::new(),
    };
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--model") => {
                options.model = args.next().context("--model needs a folder")?.into()
            }
            Some("--ratios") => options.ratios = list(args.next(), "--ratios")?,
            Some("--dtype") => {
                let dtype = args.next().context("--dtype needs a number format such as bf16")?;
                options.weights[0] = dtype.to_string_lossy().parse()?;
            }
            Some("--quantize") => {
                options.weights.truncate(1);
                options.weights.extend(list::<WeightDtype>(args.next(), "--quantize")?);
            }
            _ => options.files.push(arg.into()),
        }
    }
    if options.files.is_empty() {
        bail!(
            "usage: fidelity [--model DIR] [--ratios 4,8,16,32] [--dtype f32] \
               [--quantize q8_0,q4_k] FILE.jsonl …"
        );
    }
    Ok(options)
}

/// The values of an option, separated by commas.
fn list<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    value: Option<OsString>,
    option: &str,
) -> Result<Vec<T>> {
    let list = value.with_context(|| format!("{option} needs a list, separated by commas"))?;
    Ok(list.to_string_lossy().split(',').map(str::parse).collect::<Result<_, _>>()?)
}

fn main() -> Result<()> {
    let options = options()?;
    let checkpoint = Checkpoint::open(&options.model)?;
    println!(
        "| weights | text | ratio | n | char similarity | 95% interval | exact | corrections per \
         1,000 tokens |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &dtype in &options.weights {
        let load = LoadOptions { dtype, ..LoadOptions::default() };
        let encoder = C3Encoder::load(&checkpoint, &load)?;
        let decoder = C3Decoder::load(&checkpoint, &load)?;
        for file in &options.files {
            let texts = read(file)?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for &ratio in &options.ratios {
                let outputs = reconstruct(&encoder, &decoder, &texts, ratio)?;
                let fidelity = Fidelity::of(&texts, &outputs);
                let corrections = corrections(&encoder, &decoder, &texts, ratio)?;
                let n = texts.len();
                println!("| {dtype} | {name} | {ratio}× | {n} | {fidelity} | {corrections:.1} |");
            }
        }
    }
    Ok(())
}

/// How much of some texts came back.
struct Fidelity {
    similarity: f64,
    interval: (f64, f64),
    exact: f64,
}

impl Fidelity {
    fn of(texts: &[String], outputs: &[String]) -> Self {
        let pairs = texts.iter().zip(outputs);
        let scores: Vec<f64> = pairs.clone().map(|(a, b)| char_similarity(a, b)).collect();
        let exact = pairs.filter(|(a, b)| a == b).count() as f64 / texts.len() as f64;
        Self { similarity: mean(&scores), interval: interval(&scores), exact }
    }
}

/// The table's columns.
impl std::fmt::Display for Fidelity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { similarity, interval: (low, high), exact } = self;
        write!(f, "{similarity:.4} | {low:.4}–{high:.4} | {:.1}%", 100.0 * exact)
    }
}

fn read(file: &PathBuf) -> Result<Vec<String>> {
    let lines = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let text = |line: &str| -> Result<String> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        Ok(value["text"].as_str().context("a line without a text")?.to_owned())
    };
    lines.lines().map(text).collect()
}

/// Every text is a context of its own; their segments are decoded side by side.
fn reconstruct(
    encoder: &C3Encoder,
    decoder: &C3Decoder,
    texts: &[String],
    ratio: u32,
) -> Result<Vec<String>> {
    let compression = Compression::Ratio(ratio);
    let request = EncodeRequest { compression, ..Default::default() };
    let mut segments: Vec<Segment> = Vec::new();
    let mut text_of = Vec::new();
    let mut source = SourceHasher::new();
    let mut start = 0;
    for (number, text) in texts.iter().enumerate() {
        let context = encoder.encode(text, &request)?;
        for index in 0..context.segment_count() {
            let mut segment = context.segment(index)?;
            segment.bytes = start + segment.bytes.start..start + segment.bytes.end;
            segments.push(segment);
            text_of.push(number);
        }
        source.update(text.as_bytes());
        start += text.len() as u64;
    }
    let context = LatentContext::new(encoder.provenance(&request)?, source.finish(), segments)?;
    let mut outputs = vec![String::new(); texts.len()];
    decoder.decode(&context, &DecodeRequest::default(), &mut |event| {
        if let DecodeEvent::Text { segment, text } = event {
            outputs[text_of[segment]].push_str(text);
        }
        ControlFlow::Continue(())
    })?;
    Ok(outputs)
}

/// Positions per 1,000 tokens of text at which the decoder, given the text up to there, would not
/// go on as it does: what it had to be told to give the text back.
fn corrections(
    encoder: &C3Encoder,
    decoder: &C3Decoder,
    texts: &[String],
    ratio: u32,
) -> Result<f64> {
    let bank = Bank::choose(encoder.config(), Compression::Ratio(ratio))?;
    let (mut wrong, mut tokens) = (0, 0);
    let options = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: false };
    for text in texts {
        let pieces = Segmenter::new(text.as_bytes(), encoder.tokenizer(), options)?;
        let ids = pieces.map(|piece| Ok(piece?.ids)).collect::<Result<Vec<Vec<u32>>>>()?;
        let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
        let latents = encoder.latents(&ids, &bank)?;
        wrong += decoder.verify(&latents, &ids)?.iter().map(|v| v.mismatches).sum::<usize>();
        tokens += ids.iter().map(|ids| ids.len()).sum::<usize>();
    }
    Ok(1000.0 * wrong as f64 / tokens as f64)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Percentile bootstrap of the mean with 2,000 resamples and a fixed seed.
fn interval(values: &[f64]) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut means: Vec<f64> = (0..2000)
        .map(|_| {
            let draws = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]);
            draws.sum::<f64>() / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[50], means[1949])
}
