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
use c3_kernels::Level;
use c3_nn::{LoadOptions, WeightDtype};
use clap::{Parser, ValueEnum};
use serde_json::json;

/// Answer requests for work with the time it took
#[derive(Parser)]
struct Options {
    /// Checkpoint, a folder
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny"))]
    model: PathBuf,
    /// How weights are kept in memory
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Threads to compute with [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    F16,
    Bf16,
    Stored,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let dtype = match options.dtype {
        Dtype::F32 => WeightDtype::F32,
        Dtype::F16 => WeightDtype::F16,
        Dtype::Bf16 => WeightDtype::Bf16,
        Dtype::Stored => WeightDtype::Stored,
    };
    let threads = options.threads.map_or(0, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(8 << 20).build()?;
    let threads = pool.current_num_threads();
    let load = LoadOptions { dtype, ..LoadOptions::default() };
    let mut worker = Worker::new(options.model, load);
    let mut out = std::io::stdout();
    let version = env!("CARGO_PKG_VERSION");
    let vectors = Level::detect().name();
    writeln!(out, "{}", json!({ "version": version, "threads": threads, "vectors": vectors }))?;
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
