//! How far step-by-step decoding is from one pass over all positions: what the margin of exact
//! compression must cover.
//!
//! ```sh
//! cargo run --release -p c3-bench --example margins -- [--model DIR] [--segments 2000] \
//!     [--ratio 8] TEXT …
//! ```
//!
//! Texts are cut into segments; the margin of a position is the logit of the text's own token less the
//! largest of the others. For every way to keep the weights, number of threads and batch: quantiles of
//! the difference of margins between one pass (in batches of 16, on all threads) and as many steps; how
//! many predictions that were right in the pass are wrong in steps, and the largest lead that was lost
//! so; and how many positions per 1,000 tokens lead by no more than each threshold: what it costs.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use c3_core::{Compression, Dtype, LatentTokens};
use c3_decoder::{C3Decoder, Verification};
use c3_encoder::{Bank, C3Encoder, Segmenter, SegmenterOptions};
use c3_nn::{Activations, BlockType, Checkpoint, LoadOptions, WeightDtype};
use candle_core::{Device, Tensor};
use clap::Parser;

const THRESHOLDS: [f32; 7] = [1e-4, 1e-3, 1e-2, 0.1, 0.25, 0.5, 1.0];

/// Measure how far step-by-step decoding is from one pass
#[derive(Parser)]
struct Options {
    /// Checkpoint, a folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny"))]
    model: PathBuf,
    /// Segments of all texts together, an equal share of each
    #[arg(long, default_value = "2000")]
    segments: NonZeroUsize,
    /// Text tokens for each latent
    #[arg(long, default_value_t = 8)]
    ratio: u32,
    /// Text files
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let checkpoint = Checkpoint::open(&options.model)?;
    let bf16 =
        |activations| LoadOptions { dtype: WeightDtype::Bf16, activations, ..Default::default() };
    let quantized =
        |kind| LoadOptions { dtype: WeightDtype::Quantized(kind), ..Default::default() };
    println!(
        "| weights | threads | batch | segments | positions | median | 99.9% | 99.99% | largest | \
         wrong in steps | largest lead lost |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut costs = String::new();
    for (name, load) in [
        ("f32", LoadOptions::default()),
        ("bf16, activations f32", bf16(Activations::F32)),
        ("bf16", bf16(Activations::Bf16)),
        ("q8_0", quantized(BlockType::Q8_0)),
        ("q4_0", quantized(BlockType::Q4_0)),
    ] {
        let segments = Segments::new(&checkpoint, &load, &options)?;
        let pass = segments.run(16, segments.ids.len(), |d, l, t| d.verify(l, t))?;
        for (threads, batch, share) in [(2, 16, 1), (1, 16, 2), (2, 1, 8), (1, 3, 8)] {
            let count = segments.ids.len().div_ceil(share);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let steps =
                pool.install(|| segments.run(batch, count, |d, l, t| d.verify_stepwise(l, t)))?;
            let row = Differences::new(&pass[..count], &steps);
            println!("| {name} | {threads} | {batch} | {count} | {row} |");
        }
        let leads: Vec<f32> = pass.iter().flat_map(|v| &v.margins).copied().collect();
        let at_most = |most: &f32| {
            let near = leads.iter().filter(|&&lead| lead > 0.0 && lead <= *most).count();
            format!(" {:.2} |", 1000.0 * near as f64 / leads.len() as f64)
        };
        costs += &format!("| {name} |{}\n", THRESHOLDS.iter().map(at_most).collect::<String>());
    }
    let heads = THRESHOLDS.map(|most| format!(" ≤ {most} |")).concat();
    println!("\nRight predictions per 1,000 positions that lead by so little:\n");
    println!("| weights |{heads}\n|---|{}\n{costs}", "---|".repeat(THRESHOLDS.len()));
    Ok(())
}

/// Texts' segments with their latents.
struct Segments {
    decoder: C3Decoder,
    ids: Vec<Vec<u32>>,
    latents: Vec<Tensor>,
}

impl Segments {
    fn new(checkpoint: &Checkpoint, load: &LoadOptions, options: &Options) -> Result<Self> {
        let encoder = C3Encoder::load(checkpoint, load)?;
        let bank = Bank::choose(encoder.config(), Compression::Ratio(options.ratio))?;
        let segmenter = SegmenterOptions { max_tokens: bank.segment_tokens, lossy: true };
        let mut ids = Vec::new();
        let each = options.segments.get().div_ceil(options.texts.len());
        for text in &options.texts {
            let file = std::fs::File::open(text).with_context(|| text.display().to_string())?;
            let pieces = Segmenter::new(file, encoder.tokenizer(), segmenter)?;
            for piece in pieces.take(each) {
                ids.push(piece?.ids);
            }
        }
        ensure!(!ids.is_empty(), "these texts are empty");
        let mut latents = Vec::new();
        for batch in ids.chunks(16) {
            let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
            for own in encoder.latents(&batch, &bank)? {
                let (rows, dim) = own.dims2()?;
                let values = own.flatten_all()?.to_vec1::<f32>()?;
                let stored = LatentTokens::from_f32(rows, dim, Dtype::F16, &values)?;
                latents.push(Tensor::from_vec(stored.to_f32(), (rows, dim), &Device::Cpu)?);
            }
        }
        Ok(Self { decoder: C3Decoder::load(checkpoint, load)?, ids, latents })
    }

    fn run(
        &self,
        batch: usize,
        count: usize,
        verify: impl Fn(&C3Decoder, &[Tensor], &[&[u32]]) -> c3_decoder::Result<Vec<Verification>>,
    ) -> Result<Vec<Verification>> {
        let mut all = Vec::new();
        for start in (0..count).step_by(batch) {
            let range = start..count.min(start + batch);
            let texts: Vec<&[u32]> = self.ids[range.clone()].iter().map(Vec::as_slice).collect();
            all.extend(verify(&self.decoder, &self.latents[range], &texts)?);
        }
        Ok(all)
    }
}

/// How two verifications of the same texts differ.
struct Differences {
    sorted: Vec<f32>,
    lost: Vec<f32>,
}

impl Differences {
    fn new(pass: &[Verification], steps: &[Verification]) -> Self {
        let of = |all: &[Verification]| all.iter().flat_map(|v| v.margins.clone()).collect();
        let (pass, steps): (Vec<f32>, Vec<f32>) = (of(pass), of(steps));
        let pairs = pass.iter().zip(&steps);
        let lost = pairs.clone().filter(|(a, b)| **a > 0.0 && **b <= 0.0).map(|(a, _)| *a);
        let lost = lost.collect();
        let mut sorted: Vec<f32> = pairs.map(|(a, b)| (a - b).abs()).collect();
        sorted.sort_by(f32::total_cmp);
        Self { sorted, lost }
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.sorted.len();
        let at = |share: f64| self.sorted[((count - 1) as f64 * share) as usize];
        write!(
            f,
            "{count} | {:.1e} | {:.1e} | {:.1e} | {:.1e} | {} | {:.1e}",
            at(0.5),
            at(0.999),
            at(0.9999),
            at(1.0),
            self.lost.len(),
            self.lost.iter().copied().fold(0f32, f32::max)
        )
    }
}
