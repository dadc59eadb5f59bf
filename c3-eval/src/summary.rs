//! Means with their intervals, one row for each corpus, compressor and ratio.

use std::collections::HashSet;

use serde::Serialize;

use crate::corpus::Kind;
use crate::results::{BUCKETS, Record};
use crate::{Interval, Metric, Ratio, bootstrap};

/// Whether texts fitted into the model's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Texts of at most as many tokens as the model reads at once.
    Within,
    /// Longer ones, which are compressed in several segments.
    Beyond,
}

/// What the texts of a row have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Group {
    /// Name of the corpus.
    pub corpus: String,
    /// How its texts were made unguessable, if they were.
    pub kind: Option<Kind>,
    /// Which compressor.
    pub compressor: String,
    /// The ratio asked for.
    pub ratio: Ratio,
    /// Whether they fitted into the model's window: those that didn't are reported apart.
    pub window: Window,
}

impl Group {
    /// Of a record.
    pub fn of(record: &Record) -> Self {
        Self {
            corpus: record.corpus.clone(),
            kind: record.kind,
            compressor: record.compressor.clone(),
            ratio: record.ratio,
            window: if record.beyond_window { Window::Beyond } else { Window::Within },
        }
    }

    /// What its texts are called: corpus, kind, and what sets them apart.
    pub fn label(&self) -> String {
        let Self { corpus, kind, window, .. } = self;
        let kind =
            kind.map_or_else(String::new, |kind| format!(", {}", kind.name().replace('_', " ")));
        let window = match window {
            Window::Within => "",
            Window::Beyond => ", longer than the window",
        };
        format!("{corpus}{kind}{window}")
    }
}

/// A group's numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which texts.
    #[serde(flatten)]
    pub group: Group,
    /// How many.
    pub n: usize,
    /// Documents that they are from.
    pub documents: usize,
    /// Tokens of a text, on average.
    pub mean_tokens: f64,
    /// Text tokens for each decoder position, markers counted.
    pub token_ratio: f64,
    /// Text tokens for each latent token: what papers call the ratio. Of C3 alone.
    pub nominal_ratio: f64,
    /// Segments that were cut off at the allowed number of tokens.
    pub cut_off: usize,
    /// Each metric.
    #[serde(serialize_with = "as_object")]
    pub metrics: Vec<(Metric, Interval)>,
    /// Share of wrong tokens in each of [`BUCKETS`] stretches of the texts.
    pub error_by_position: Vec<Interval>,
    /// Share of wrong tokens in the texts' last quarter, less that in their first.
    pub error_at_end_less_beginning: Interval,
}

fn as_object<S: serde::Serializer>(
    metrics: &[(Metric, Interval)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(metric, interval)| (metric, interval)))
}

impl Row {
    /// One metric.
    pub fn metric(&self, metric: Metric) -> Interval {
        let none = Interval { mean: f64::NAN, low: f64::NAN, high: f64::NAN };
        self.metrics.iter().find(|(m, _)| *m == metric).map_or(none, |(_, interval)| *interval)
    }

    /// [`Group::label`].
    pub fn label(&self) -> String {
        self.group.label()
    }
}

/// The rows of some records.
pub struct Summary {
    /// One for each group, in the order that the groups first occur.
    pub rows: Vec<Row>,
}

impl Summary {
    /// Of records, grouped.
    pub fn of(records: &[Record]) -> Self {
        let rows = groups(records).into_iter().map(|(group, records)| row(group, &records));
        Self { rows: rows.collect() }
    }
}

/// Records by their groups.
pub fn groups(records: &[Record]) -> Vec<(Group, Vec<&Record>)> {
    let mut groups: Vec<(Group, Vec<&Record>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for record in records {
        let group = Group::of(record);
        let place = *place.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(record);
    }
    groups
}

pub(crate) fn row(group: Group, records: &[&Record]) -> Row {
    let sum = |count: fn(&Record) -> usize| records.iter().map(|r| count(r)).sum::<usize>();
    let (tokens, n) = (sum(|r| r.tokens), records.len());
    let columns = |record: &&Record| -> Vec<f64> {
        let metrics = Metric::ALL.map(|metric| record.scores.get(metric));
        let rates = record.error_rates();
        let quarter = |of: std::ops::Range<usize>| {
            let there: Vec<f64> = rates[of].iter().copied().filter(|rate| !rate.is_nan()).collect();
            there.iter().sum::<f64>() / there.len() as f64
        };
        let gap = quarter(BUCKETS - BUCKETS / 4..BUCKETS) - quarter(0..BUCKETS / 4);
        metrics.into_iter().chain(rates).chain([gap]).collect()
    };
    let documents: Vec<&str> = records.iter().map(|record| record.document.as_str()).collect();
    let intervals = bootstrap(&documents, &records.iter().map(columns).collect::<Vec<_>>());
    let (metrics, rest) = intervals.split_at(Metric::ALL.len());
    Row {
        group,
        n,
        documents: documents.iter().collect::<HashSet<_>>().len(),
        mean_tokens: tokens as f64 / n as f64,
        token_ratio: quotient(tokens, sum(|r| r.positions)),
        nominal_ratio: quotient(tokens, sum(|r| r.latents)),
        cut_off: sum(|r| r.cut_off),
        metrics: Metric::ALL.into_iter().zip(metrics.iter().copied()).collect(),
        error_by_position: rest[..BUCKETS].to_vec(),
        error_at_end_less_beginning: rest[BUCKETS],
    }
}

fn quotient(over: usize, under: usize) -> f64 {
    if under == 0 { 0.0 } else { over as f64 / under as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Texts;

    #[test]
    fn texts_beyond_the_window_are_apart() {
        let four = Texts::new("c", 4);
        let mut records =
            [four.scored(&[0.5, 0.1, 0.7]), Texts::new("c", 8).scored(&[0.2])].concat();
        records[1].beyond_window = true;
        // Of a shorter bank's segments, but not longer than the window.
        records[2].segments = 3;
        let rows = Summary::of(&records).rows;
        let seen: Vec<(Window, Ratio, usize)> =
            rows.iter().map(|row| (row.group.window, row.group.ratio, row.n)).collect();
        let [four, eight] = [4, 8].map(|ratio| Ratio(Some(ratio)));
        assert_eq!(
            seen,
            [(Window::Within, four, 2), (Window::Beyond, four, 1), (Window::Within, eight, 1)]
        );
        assert_eq!(rows[1].label(), "c, longer than the window");
        let first = &rows[0];
        assert_eq!((first.token_ratio, first.nominal_ratio, first.cut_off), (4.0, 5.0, 2));
        let exact = first.metric(Metric::Exact);
        assert!((exact.mean - 0.6).abs() < 1e-12 && exact.low == 0.5 && exact.high == 0.7);
        // Two tokens to a stretch, all wrong in the last of five.
        assert_eq!(first.error_by_position[BUCKETS - 1].mean, 1.0);
        assert_eq!(first.error_at_end_less_beginning.mean, 0.2);
    }

    #[test]
    fn a_row_counts_texts_and_their_documents() {
        let mut records = Texts::new("c", 4).scored(&[0.5, 0.7, 0.9]);
        records[1].document = records[0].document.clone();
        let row = &Summary::of(&records).rows[0];
        assert_eq!((row.n, row.documents), (3, 2));
        let similarity = row.metric(Metric::CharSimilarity);
        assert!((similarity.mean - 0.7).abs() < 1e-12);
        // The first two are drawn together or not at all.
        assert!((similarity.low - 0.6).abs() < 1e-12 && similarity.high == 0.9, "{similarity:?}");
    }
}
