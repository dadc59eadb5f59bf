//! What came back.

use super::{Table, count, distinct, percent, signed, with_interval};
use crate::{Interval, Metric, Ratio, Row};

/// Rows of the same texts and compressor at several ratios.
struct Line<'r> {
    label: String,
    of: Vec<(Ratio, &'r Row)>,
}

/// The rows' texts by compressor, in their order; compressors are named where there are several.
fn lines(rows: &[Row]) -> (Vec<Line<'_>>, Vec<Ratio>) {
    let compressors = distinct(rows.iter().map(|row| &row.group.compressor));
    let key = |row: &Row| {
        let compressor = row.group.compressor.replace('_', " ");
        match compressors.len() {
            1 => row.label(),
            _ => format!("{}, {compressor}", row.label()),
        }
    };
    let line = |label: String| {
        let of = rows.iter().filter(|row| key(row) == label);
        Line { of: of.map(|row| (row.group.ratio, row)).collect(), label }
    };
    let labels = distinct(rows.iter().map(key));
    (labels.into_iter().map(line).collect(), distinct(rows.iter().map(|row| row.group.ratio)))
}

fn by_ratio(rows: &[Row], cell: impl Fn(&Row) -> String) -> Table {
    let (lines, ratios) = lines(rows);
    let named = ["text", "n"].map(str::to_owned);
    let mut table = Table::new(named.into_iter().chain(ratios.iter().map(ToString::to_string)));
    for line in lines {
        let found = |ratio: &Ratio| line.of.iter().find(|(r, _)| r == ratio);
        let cells =
            ratios.iter().map(|ratio| found(ratio).map_or_else(String::new, |(_, row)| cell(row)));
        // The same at every ratio, unless the run was stopped.
        let n = distinct(line.of.iter().map(|(_, row)| count(row.n, row.documents)));
        table.rows.push([line.label.clone(), n.join("; ")].into_iter().chain(cells).collect());
    }
    table
}

/// Mean char similarity of each text at each ratio. Of how many texts and documents, the second column
/// says in this and the next table.
pub fn similarity(rows: &[Row]) -> Table {
    by_ratio(rows, |row| format!("{:.3}", row.metric(Metric::CharSimilarity).mean))
}

/// The same with its interval, and the share of texts that came back exactly.
pub fn card(rows: &[Row]) -> Table {
    by_ratio(rows, |row| {
        let similarity = with_interval(row.metric(Metric::CharSimilarity));
        format!("{similarity}, {}", percent(row.metric(Metric::Exact).mean))
    })
}

/// What is compared with the literature, for each text at each ratio.
pub fn metrics(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "text",
        "compressor",
        "ratio",
        "n",
        "tokens/latent",
        "tokens/position",
        "char similarity",
        "exact",
        "token precision",
        "token recall",
        "prefix",
        "BLEU-4",
        "ROUGE-L",
        "METEOR",
        "Fox precision",
        "word precision",
        "cut off",
    ]);
    for row in rows {
        let mean = |metric| format!("{:.3}", row.metric(metric).mean);
        let mut cells = vec![
            row.label(),
            row.group.compressor.clone(),
            row.group.ratio.to_string(),
            count(row.n, row.documents),
            format!("{:.2}", row.nominal_ratio),
            format!("{:.2}", row.token_ratio),
            with_interval(row.metric(Metric::CharSimilarity)),
            percent(row.metric(Metric::Exact).mean),
        ];
        cells.extend(
            [
                Metric::TokenPrecision,
                Metric::TokenRecall,
                Metric::Prefix,
                Metric::Bleu4,
                Metric::RougeL,
                Metric::Meteor,
                Metric::FoxPrecision,
                Metric::WordPrecision,
            ]
            .map(mean),
        );
        cells.push(row.cut_off.to_string());
        table.rows.push(cells);
    }
    table
}

/// The share of wrong tokens in each quarter of the texts, and the last quarter's less the first's.
pub fn position(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "text",
        "compressor",
        "ratio",
        "n",
        "first quarter",
        "second",
        "third",
        "last",
        "last less first",
    ]);
    for row in rows {
        let quarter = |buckets: &[Interval]| {
            let there = buckets.iter().map(|b| b.mean).filter(|mean| !mean.is_nan());
            let (sum, n) = there.fold((0.0, 0), |(sum, n), mean| (sum + mean, n + 1));
            format!("{:.3}", sum / f64::from(n))
        };
        let mut cells = vec![
            row.label(),
            row.group.compressor.clone(),
            row.group.ratio.to_string(),
            count(row.n, row.documents),
        ];
        cells.extend(
            row.error_by_position.chunks(row.error_by_position.len().div_ceil(4)).map(quarter),
        );
        cells.push(signed(row.error_at_end_less_beginning));
        table.rows.push(cells);
    }
    table
}
