//! What a promise costs: times in turn, medians of ratios, on one text.
//!
//! ```sh
//! cargo run --release -p c3-bench --example promises -- [--model DIR] [--ratio 8] [--rounds 7] \
//!     [--segments 40] [--decoder-only] TEXT
//! ```
//!
//! Compression `fast`, `checked` and `exact`; decompression of what each made; bytes stored; and, segment
//! by segment, verification against free-running decoding. With `--decoder-only` that last alone, with
//! latents of zeros: what a checkpoint of random weights is good for.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use c3_core::{
    Compression, DecodeRequest, Decoder, EncodeRequest, Encoder, LatentContext, SegmentSource,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_exact::{CompressRequest, Compressor, Level};
use c3_nn::{Activations, Checkpoint, LoadOptions, WeightDtype};
use candle_core::{DType, Device, Tensor};
use clap::Parser;

/// Measure what checking and exactness cost in time and bytes
#[derive(Parser)]
struct Options {
    /// Checkpoint, a folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny"))]
    model: PathBuf,
    /// Text tokens for each latent [default: the model's]
    #[arg(long)]
    ratio: Option<u32>,
    /// How often each way is timed, after a round that warms up
    #[arg(long, default_value = "7")]
    rounds: NonZeroUsize,
    /// Segments of the text, from its start
    #[arg(long, default_value = "40")]
    segments: NonZeroUsize,
    /// Time the decoder alone, with latents of zeros
    #[arg(long)]
    decoder_only: bool,
    /// Text file
    text: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let rounds = options.rounds.get();
    let checkpoint = Checkpoint::open(&options.model)?;
    let (dtype, activations) = (WeightDtype::Auto, Activations::Bf16);
    let load = LoadOptions { dtype, activations, ..LoadOptions::default() };
    let decoder = C3Decoder::load(&checkpoint, &load)?;
    let compression = options.ratio.map_or(Compression::Default, Compression::Ratio);
    let bank = Bank::choose(checkpoint.config(), compression)?;
    let bytes = std::fs::read(&options.text).with_context(|| options.text.display().to_string())?;
    let settings = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: true };
    let pieces = Segmenter::new(&bytes[..], checkpoint.tokenizer(), settings)?;
    let pieces: Vec<_> = pieces.take(options.segments.get()).collect::<Result<_, _>>()?;
    let ids: Vec<Vec<u32>> = pieces.iter().map(|piece| piece.ids.clone()).collect();
    let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let tokens: usize = ids.iter().map(Vec::len).sum();
    ensure!(tokens > 0, "{} is empty", options.text.display());
    println!("{} segments, {tokens} tokens, {} bytes", ids.len(), text.len());
    if options.decoder_only {
        return blind(&decoder, &bank, &ids, rounds);
    }

    let encoder = C3Encoder::load(&checkpoint, &load)?;
    let compressor = Compressor::new(&encoder, &decoder)?;
    let fast = EncodeRequest { compression, ..EncodeRequest::default() };
    let request = |level| CompressRequest { compression, ..CompressRequest::new(level) };
    let checked = request(Level::Checked { min_precision: None, budget: None });
    let exact = request(Level::Exact { max_corrections: None });
    let compress = |level: usize| -> Result<LatentContext> {
        Ok(match level {
            0 => encoder.encode(&text, &fast)?,
            1 => compressor.compress_bytes(text.as_bytes(), &checked)?,
            _ => compressor.compress_bytes(text.as_bytes(), &exact)?,
        })
    };
    let mut made: Vec<LatentContext> = Vec::new();
    let names = ["fast", "checked", "exact"];
    let times = in_turn(rounds, 3, |level| {
        let context = compress(level)?;
        if made.len() == level {
            made.push(context);
        }
        Ok(())
    })?;
    report("compress", &names, &times);
    let times = in_turn(rounds, 2, |level| {
        let context = &made[2 * level];
        decoder.decode_to_bytes(context, &DecodeRequest::default())?;
        Ok(())
    })?;
    report("decompress", &["without corrections", "with corrections"], &times);
    for (name, context) in names.iter().zip(&made) {
        println!("{name}: {} bytes stored", context.to_bytes()?.len());
    }
    // Alone, as one segment is asked for: the verification against free-running decoding.
    let context = &made[1];
    let times = in_turn(rounds, 2, |way| {
        for (index, ids) in ids.iter().enumerate().take(8) {
            let segment = made[0].segment(index)?;
            match way {
                0 => {
                    let shape = (segment.latents.rows(), segment.latents.dim());
                    let latents = Tensor::from_vec(segment.latents.to_f32(), shape, &Device::Cpu)?;
                    decoder.verify(&[latents], &[ids])?;
                }
                _ => {
                    let segments = Some(index..index + 1);
                    let request = DecodeRequest { segments, ..DecodeRequest::default() };
                    decoder.decode(context, &request, &mut |_| ControlFlow::Continue(()))?;
                }
            }
        }
        Ok(())
    })?;
    report("one segment at a time", &["verify", "decode"], &times);
    Ok(())
}

/// Verification and as many steps, of one segment at a time with latents of zeros.
fn blind(decoder: &C3Decoder, bank: &Bank, ids: &[Vec<u32>], rounds: usize) -> Result<()> {
    let width = decoder.config().encoder.hidden_size;
    let times = in_turn(rounds, 2, |way| {
        for ids in ids {
            let latents =
                Tensor::zeros((bank.latents(ids.len()), width), DType::F32, &Device::Cpu)?;
            match way {
                0 => decoder.verify(&[latents], &[ids])?,
                _ => decoder.verify_stepwise(&[latents], &[ids])?,
            };
        }
        Ok(())
    })?;
    report("one segment at a time", &["verify", "as many steps"], &times);
    Ok(())
}

/// Seconds of each of `ways`, one after the other, `rounds` times; the first round warms up.
fn in_turn(
    rounds: usize,
    ways: usize,
    mut work: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<f64>>> {
    let mut times = Vec::new();
    for _ in 0..=rounds {
        let mut round = Vec::new();
        for way in 0..ways {
            let start = Instant::now();
            work(way)?;
            round.push(start.elapsed().as_secs_f64());
        }
        times.push(round);
    }
    times.remove(0);
    Ok(times)
}

fn report(what: &str, names: &[&str], times: &[Vec<f64>]) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    for (way, name) in names.iter().enumerate() {
        let (seconds, ..) = median(times.iter().map(|round| round[way]).collect());
        let (ratio, least, most) =
            median(times.iter().map(|round| round[way] / round[0]).collect());
        println!(
            "{what}, {name}: {seconds:.3} s, {ratio:.2} times the first ({least:.2}–{most:.2})"
        );
    }
}
