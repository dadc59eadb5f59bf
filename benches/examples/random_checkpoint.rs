//! Writes a checkpoint of random weights in the authors' layout, for measuring speed and memory:
//!
//! ```sh
//! cargo run --release -p c3-bench --example random_checkpoint -- --shape real OUT
//! cargo run --release -p c3-bench --example random_checkpoint -- --shape real --gguf q8_0 OUT.gguf
//! ```

use std::path::PathBuf;

use anyhow::Result;
use c3_bench::random::{GgufType, RandomCheckpoint, Shape};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Write a checkpoint of random weights in the authors' layout
#[derive(Parser)]
struct Options {
    /// Sizes: for tests, both stages as Qwen2.5-0.5B, or the authors' 1.5 B and 3 B
    #[arg(long, value_enum, default_value = "tiny")]
    shape: Shape,
    /// Decides every weight
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the first N layers of both stages
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Write the decoder's language model, with the same weights, as one GGUF file instead
    #[arg(long, value_enum, value_name = "TYPE")]
    gguf: Option<GgufType>,
    /// Folder, or GGUF file, to create
    out: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut checkpoint = RandomCheckpoint::new(options.shape, options.seed);
    if let Some(layers) = options.layers {
        checkpoint.encoder = checkpoint.encoder.cut(layers)?;
        checkpoint.decoder = checkpoint.decoder.cut(layers)?;
    }
    let bytes = match options.gguf {
        Some(_) => checkpoint.decoder_bytes(),
        None => checkpoint.bytes(),
    };
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    )?);
    let progress = |done| bar.inc(done);
    match options.gguf {
        Some(kind) => checkpoint.write_gguf(&options.out, kind, &progress)?,
        None => checkpoint.write(&options.out, &progress)?,
    }
    bar.finish_and_clear();
    let took = bar.elapsed().as_secs_f64();
    println!("{}: {bytes} bytes of bf16 weights in {took:.1} s", options.out.display());
    Ok(())
}
