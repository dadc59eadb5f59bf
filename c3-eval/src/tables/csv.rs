//! Every number, for spreadsheets and scripts.

use super::Gap;
use crate::results::{CostRecord, Place};
use crate::{Metric, Row};

/// A line for each row: what it is of, then each metric with its interval. Where texts were compared with
/// others, last the difference of char similarity; a row that was compared with several has a line for
/// each.
pub fn csv(rows: &[Row], gaps: &[Gap]) -> String {
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
    header.extend((0..crate::results::BUCKETS).flat_map(|bucket| of(&format!("error_{bucket}"))));
    header.extend(of("error_at_end_less_beginning"));
    if !gaps.is_empty() {
        header.push("compared_with".into());
        header.extend(of("difference"));
    }
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
        cells.extend(row.error_by_position.iter().flat_map(three));
        cells.extend(three(&row.error_at_end_less_beginning));
        let compared = |gap: &Gap| {
            [vec![quoted(&gap.compared_with.label())], three(&gap.difference).to_vec()].concat()
        };
        let mut of_row: Vec<_> =
            gaps.iter().filter(|gap| gap.group == row.group).map(compared).collect();
        if of_row.is_empty() {
            of_row.push(vec![String::new(); if gaps.is_empty() { 0 } else { 4 }]);
        }
        lines.extend(of_row.into_iter().map(|last| [cells.clone(), last].concat()));
    }
    joined(&lines)
}

/// A line for each stage of each load, with what the load takes in memory and bytes, the model and the
/// machine.
pub fn cost_csv(place: &Place<'_>, records: &[CostRecord]) -> String {
    let header = "ratio,tokens,batch,threads,stage,repetitions,stage_tokens,seconds,seconds_sd,\
                  tokens_per_second,tokens_per_second_sd,positions,cache_bytes,text_cache_bytes,\
                  peak_bytes,text_bytes,stored_bytes,model,fingerprint,weights,program,machine,device";
    let Place { model, machine, device, program } = place;
    let machine = machine.to_string();
    let of = [model.name.as_str(), &model.fingerprint, &model.weights, program, &machine, device];
    let of = of.map(quoted);
    let mut lines = vec![header.split(',').map(str::to_owned).collect::<Vec<_>>()];
    for record in records {
        for (stage, repeated) in &record.stages {
            let line = vec![
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
                record.positions.to_string(),
                record.cache_bytes.to_string(),
                record.text_cache_bytes.to_string(),
                record.peak_bytes.map_or_else(String::new, |bytes| bytes.to_string()),
                record.text_bytes.to_string(),
                record.stored_bytes.to_string(),
            ];
            lines.push([line, of.to_vec()].concat());
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
