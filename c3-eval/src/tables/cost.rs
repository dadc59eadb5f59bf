//! What it costs.

use super::Table;
use crate::cost::Stage;
use crate::results::CostRecord;

const MIB: f64 = (1 << 20) as f64;

/// Time, memory and bytes of one text at each ratio and length, beside the same decoder reading the
/// text itself.
pub fn cost(records: &[CostRecord]) -> Table {
    let mut table = Table::new([
        "ratio",
        "text tokens",
        "positions",
        "encode tokens/s",
        "decode tokens/s",
        "decode behind the text, tokens/s",
        "first token from latents, ms",
        "from the text, ms",
        "from the text through latents, ms",
        "KV cache of latents, KiB",
        "KV cache of the text, KiB",
        "peak memory, MiB",
        "stored bytes per text byte",
    ]);
    for record in records {
        let of = |stage: Stage| record.stages.iter().find(|(s, _)| *s == stage).map(|(_, r)| r);
        let with_sd =
            |mean: f64, sd: f64, digits: usize| format!("{mean:.digits$} ± {sd:.digits$}");
        let rate = |stage| of(stage).map_or_else(String::new, |r| with_sd(r.rate, r.rate_sd, 0));
        let millis = |stage| {
            of(stage)
                .map_or_else(String::new, |r| with_sd(1000.0 * r.seconds, 1000.0 * r.seconds_sd, 2))
        };
        let kib = |bytes: u64| format!("{:.0}", bytes as f64 / 1024.0);
        table.rows.push(vec![
            record.load.ratio.to_string(),
            record.load.tokens.to_string(),
            record.positions.to_string(),
            rate(Stage::Encode),
            rate(Stage::Decode),
            rate(Stage::DecodeText),
            millis(Stage::Prefill),
            millis(Stage::PrefillText),
            millis(Stage::FirstToken),
            kib(record.cache_bytes),
            kib(record.text_cache_bytes),
            record.peak_bytes.map_or_else(String::new, |b| format!("{:.0}", b as f64 / MIB)),
            format!("{:.1}", record.stored_bytes as f64 / record.text_bytes as f64),
        ]);
    }
    table
}

/// A line for each stage of each load, as tokens per second.
pub fn bench(records: &[CostRecord]) -> Table {
    let mut table = Table::new(["stage", "ratio", "tokens", "batch", "threads", "tokens/s", "ms"]);
    for record in records {
        for (stage, timed) in &record.stages {
            table.rows.push(vec![
                stage.name().to_owned(),
                record.load.ratio.to_string(),
                record.load.tokens.to_string(),
                record.load.batch.to_string(),
                record.threads.to_string(),
                format!("{:.1} ± {:.1}", timed.rate, timed.rate_sd),
                format!("{:.2} ± {:.2}", 1000.0 * timed.seconds, 1000.0 * timed.seconds_sd),
            ]);
        }
    }
    table
}
