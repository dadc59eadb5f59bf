//! What came back.

use super::{Table, count, distinct, percent, shares, signed, with_interval};
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

/// What is compared with the literature, besides char similarity and exactness.
const METRICS: [(&str, Metric); 11] = [
    ("token precision", Metric::TokenPrecision),
    ("token recall", Metric::TokenRecall),
    ("token F1", Metric::TokenF1),
    ("prefix", Metric::Prefix),
    ("BLEU-4", Metric::Bleu4),
    ("ROUGE-L", Metric::RougeL),
    ("METEOR", Metric::Meteor),
    ("Fox precision", Metric::FoxPrecision),
    ("Fox recall", Metric::FoxRecall),
    ("Fox F1", Metric::FoxF1),
    ("word precision", Metric::WordPrecision),
];

/// Their means, for each text at each ratio: short enough for a terminal.
pub fn metrics(rows: &[Row]) -> Table {
    // Precision and F1 tell it too.
    let some = METRICS.into_iter().filter(|(_, metric)| *metric != Metric::FoxRecall);
    of_each(rows, &some.collect::<Vec<_>>(), |row, metric| {
        format!("{:.3}", row.metric(metric).mean)
    })
}

/// All of them with their intervals.
pub fn every_metric(rows: &[Row]) -> Table {
    of_each(rows, &METRICS, |row, metric| with_interval(row.metric(metric)))
}

/// A row's ratios, char similarity and exactness, then the metrics that `cell` writes.
fn of_each(
    rows: &[Row],
    metrics: &[(&str, Metric)],
    cell: impl Fn(&Row, Metric) -> String,
) -> Table {
    let first = ["text", "compressor", "ratio", "n", "tokens/latent", "tokens/position"];
    let names = metrics.iter().map(|(name, _)| *name);
    let header = first.into_iter().chain(["char similarity", "exact"]).chain(names);
    let mut table = Table::new(header.chain(["cut off"]));
    for row in rows {
        let mut cells = vec![
            row.label(),
            row.group.compressor.clone(),
            row.group.ratio.to_string(),
            count(row.n, row.documents),
            format!("{:.2}", row.nominal_ratio),
            format!("{:.2}", row.token_ratio),
            with_interval(row.metric(Metric::CharSimilarity)),
            shares(row.metric(Metric::Exact)),
        ];
        cells.extend(metrics.iter().map(|&(_, metric)| cell(row, metric)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Texts;
    use crate::{Metric, Summary};

    #[test]
    fn a_card_has_the_number_of_texts_and_of_documents() {
        let mut records =
            [Texts::new("a", 4).scored(&[1.0, 1.0, 0.0]), Texts::new("a", 8).scored(&[0.5; 3])]
                .concat();
        for record in records.iter_mut().filter(|record| record.id == "1") {
            record.document = "0".into();
        }
        records.append(&mut Texts::new("b", 4).scored(&[1.0]));
        let rows = Summary::of(&records).rows;
        let table = card(&rows);
        assert_eq!(table.header, ["text", "n", "4×", "8×"]);
        assert_eq!(
            table.rows,
            [
                ["a", "3 (2 documents)", "0.667 (0.000–1.000), 66.7%", "0.500 (0.500–0.500), 50%"],
                ["b", "1", "1.000, 100%", ""],
            ]
        );
        assert_eq!(similarity(&rows).rows[0], ["a", "3 (2 documents)", "0.667", "0.500"]);
        // A run that was stopped has fewer texts at its last ratio.
        records.retain(|record| record.id != "1" || record.ratio.0 != Some(8));
        assert_eq!(similarity(&Summary::of(&records).rows).rows[0][1], "3 (2 documents); 2");
    }

    #[test]
    fn errors_by_position_are_those_of_each_quarter() {
        // Two tokens to a stretch, five stretches to a quarter.
        let mut records = Texts::new("a", 4).scored(&[0.5, 0.5]);
        records[0].wrong = [vec![2; 5], vec![1; 5], vec![0; 10]].concat();
        records[1].wrong = [vec![2; 5], vec![1; 5], vec![0; 9], vec![1]].concat();
        let rows = Summary::of(&records).rows;
        let found = &position(&rows).rows[0];
        assert_eq!(found[4..8], ["1.000", "0.500", "0.000", "0.050"]);
        // The last quarter's less the first's: below 0, where errors are at the beginning.
        assert_eq!(found[8], "−0.950 (−1.000…−0.900)");
        records.iter_mut().for_each(|record| record.wrong.reverse());
        let turned = &position(&Summary::of(&records).rows).rows[0];
        assert_eq!(turned[8], "+0.950 (+0.900…+1.000)");
    }

    #[test]
    fn every_metric_has_its_column_and_interval() {
        let records = Texts::new("a", 4).scored(&[0.25, 0.75]);
        let table = every_metric(&Summary::of(&records).rows);
        // Six columns of what it is, then the metrics, then what was cut off.
        assert_eq!(table.header.len(), 6 + Metric::ALL.len() + 1);
        assert_eq!(table.rows[0][6], "0.500 (0.250–0.750)");
        assert_eq!(table.rows[0][7], "50% (25%–75%)");
        assert!(
            table.rows[0][8..table.header.len() - 1].iter().all(|c| c == "0.500 (0.250–0.750)")
        );
    }
}
