//! Every number, for spreadsheets and scripts.

use crate::results::CostRecord;
use crate::{Metric, Row};

/// A line for each row: what it is of, then each metric with its interval.
pub fn csv(rows: &[Row]) -> String {
    let mut header: Vec<String> = [
        "corpus",
        "kind",
        "compressor",
        "ratio",
        "window",
        "n",
        "documents",
        "mean_tokens",
        "token_ratio",
        "nominal_ratio",
        "cut_off",
    ]
    .map(str::to_owned)
    .to_vec();
    let of = |name: &str| [name.to_owned(), format!("{name}_low"), format!("{name}_high")];
    header.extend(Metric::ALL.iter().flat_map(|metric| of(metric.name())));
    header.extend((0..crate::results::BUCKETS).map(|bucket| format!("error_{bucket}")));
    header.extend(of("error_at_end_less_beginning"));
    let mut lines = vec![header];
    for row in rows {
        let group = &row.group;
        let mut cells = vec![
            quoted(&group.corpus),
            group.kind.map_or("", |kind| kind.name()).to_owned(),
            group.compressor.clone(),
            group.ratio.0.map_or_else(String::new, |ratio| ratio.to_string()),
            format!("{:?}", group.window).to_lowercase(),
            row.n.to_string(),
            row.documents.to_string(),
            row.mean_tokens.to_string(),
            row.token_ratio.to_string(),
            row.nominal_ratio.to_string(),
            row.cut_off.to_string(),
        ];
        let three = |i: &crate::Interval| [i.mean, i.low, i.high].map(number);
        cells.extend(row.metrics.iter().flat_map(|(_, interval)| three(interval)));
        cells.extend(row.error_by_position.iter().map(|interval| number(interval.mean)));
        cells.extend(three(&row.error_at_end_less_beginning));
        lines.push(cells);
    }
    joined(&lines)
}

/// A line for each stage of each load.
pub fn cost_csv(records: &[CostRecord]) -> String {
    let header = "ratio,tokens,batch,threads,stage,repetitions,stage_tokens,seconds,seconds_sd,\
                  tokens_per_second,tokens_per_second_sd";
    let mut lines = vec![header.split(',').map(str::to_owned).collect::<Vec<_>>()];
    for record in records {
        for (stage, repeated) in &record.stages {
            lines.push(vec![
                record.load.ratio.0.map_or_else(String::new, |ratio| ratio.to_string()),
                record.load.tokens.to_string(),
                record.load.batch.to_string(),
                record.threads.to_string(),
                stage.name().to_owned(),
                repeated.repetitions.to_string(),
                repeated.tokens.to_string(),
                repeated.seconds.to_string(),
                repeated.seconds_sd.to_string(),
                repeated.rate.to_string(),
                repeated.rate_sd.to_string(),
            ]);
        }
    }
    joined(&lines)
}

/// Nothing where there is no number.
fn number(value: f64) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

fn joined(lines: &[Vec<String>]) -> String {
    lines.iter().map(|cells| cells.join(",") + "\n").collect()
}

/// A name as RFC 4180 wants it.
fn quoted(name: &str) -> String {
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}
