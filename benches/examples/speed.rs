//! Answers requests for work on stdin, one line of JSON each, with lines of JSON on stdout:
//!
//! ```sh
//! echo '{"work": "encode", "tokens": 200}' |
//!     cargo run --release -p c3-bench --example speed -- --threads 2
//! ```
//!
//! `c3_bench::speed` says what there is to ask for; `benches/peers` alternates this program with
//! others. The first line out says what it runs on.

use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use c3_bench::speed::{Request, Worker};
use c3_nn::{Activations, LoadOptions, Unit, WeightDtype};
use clap::{Parser, ValueEnum};
use serde_json::json;

/// Answer requests for work with the time it took
#[derive(Parser)]
struct Options {
    /// Checkpoint, a folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny"))]
    model: PathBuf,
    /// How weights are kept in memory: auto, f32, f16, bf16, stored, or a type of blocks as q8_0
    #[arg(long, default_value = "auto")]
    dtype: WeightDtype,
    /// What bf16 weights are multiplied with
    #[arg(long, value_enum, default_value = "bf16")]
    activations: ActivationArg,
    /// Threads to compute with [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ActivationArg {
    F32,
    Bf16,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let activations = match options.activations {
        ActivationArg::F32 => Activations::F32,
        ActivationArg::Bf16 => Activations::Bf16,
    };
    let threads = options.threads.map_or(0, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(8 << 20).build()?;
    let threads = pool.current_num_threads();
    let load = LoadOptions { dtype: options.dtype, activations, ..LoadOptions::default() };
    let mut worker = Worker::new(options.model, load);
    let mut out = std::io::stdout();
    let version = env!("CARGO_PKG_VERSION");
    let unit = Unit::detect(activations).name();
    writeln!(out, "{}", json!({ "version": version, "threads": threads, "products": unit }))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answered = serde_json::from_str::<Request>(&line)
            .with_context(|| format!("can't understand {line}"))
            .and_then(|request| pool.install(|| worker.answer(&request)));
        match answered {
            Ok(answer) => writeln!(out, "{}", serde_json::to_string(&answer)?)?,
            Err(error) => writeln!(out, "{}", json!({ "error": format!("{error:#}") }))?,
        }
    }
    Ok(())
}
