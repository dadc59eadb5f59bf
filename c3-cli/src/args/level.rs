//! What is to be known of a text when it has been compressed.

use anyhow::bail;
use c3_core::EncodeRequest;
use c3_exact::Level;
use clap::Args;

use super::parse;
use crate::commands::encoding::Promise;

const PROMISE: &str = "What comes back";

/// What is to be known of a text when it has been compressed.
#[derive(Args)]
pub struct LevelArgs {
    /// Find out which tokens will differ, each given the true text before it, and note it in the file;
    /// this is the default
    #[arg(help_heading = PROMISE)]
    #[arg(long, conflicts_with_all = ["exact", "fast"])]
    check: bool,
    /// Find out nothing; the decoder isn't loaded
    #[arg(help_heading = PROMISE)]
    #[arg(long, conflicts_with_all = ["exact", "min_precision", "budget"])]
    fast: bool,
    #[command(flatten)]
    asked: PromiseArgs,
}

/// What a file is to promise.
#[derive(Args)]
pub struct PromiseArgs {
    /// Store what it takes for every byte to come back. The input may be any bytes
    #[arg(help_heading = PROMISE)]
    #[arg(long)]
    exact: bool,
    /// Share of its tokens, such as 0.99, that each segment must get right, each given the true text
    /// before it: else it gets more latents, is split, or is kept as text. One miss can still lose what
    /// comes behind it in its segment; --exact loses nothing
    #[arg(help_heading = PROMISE)]
    #[arg(long, value_name = "P", value_parser = parse::share)]
    #[arg(conflicts_with_all = ["exact", "budget"])]
    min_precision: Option<f64>,
    /// Decoder positions for the whole text, spent where they bring most
    #[arg(help_heading = PROMISE)]
    #[arg(long, value_name = "TOKENS", conflicts_with = "exact")]
    budget: Option<u64>,
    /// Share of its tokens, such as 0.05, that a segment may have corrected. Within it each gets what
    /// takes the fewest positions, corrections counted; else it is split, or kept as text
    #[arg(help_heading = PROMISE)]
    #[arg(long, value_name = "S", requires = "exact", value_parser = parse::share)]
    max_corrections: Option<f64>,
    /// Correct tokens whose logit leads by no more than this; more makes a file that other devices and
    /// formats of weights decode as well [default: what sums in another order need]
    #[arg(help_heading = PROMISE)]
    #[arg(long, value_name = "X", requires = "exact", value_parser = parse::margin)]
    margin: Option<f32>,
}

impl LevelArgs {
    pub fn check(&self) -> Promise {
        let promise = self.asked.check();
        let checked = Level::Checked { min_precision: None, budget: None };
        let level = if self.fast { None } else { promise.level.or(Some(checked)) };
        Promise { level, ..promise }
    }
}

impl PromiseArgs {
    /// `None` where nothing is asked for.
    pub fn check(&self) -> Promise {
        let Self { exact, min_precision, budget, max_corrections, margin } = *self;
        let chosen = min_precision.is_some() || budget.is_some();
        let level = match (exact, chosen) {
            (true, _) => Some(Level::Exact { max_corrections }),
            (false, true) => Some(Level::Checked { min_precision, budget }),
            (false, false) => None,
        };
        Promise { level, margin }
    }
}

/// Whether both can be asked for at once.
pub fn possible(request: &EncodeRequest, promise: &Promise) -> anyhow::Result<()> {
    if request.lossy && matches!(promise.level, Some(Level::Exact { .. })) {
        bail!("--lossy cannot be used with --exact, which brings every byte back as it is");
    }
    Ok(())
}
