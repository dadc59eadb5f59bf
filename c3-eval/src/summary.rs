//! Means with their intervals, one row for each corpus, compressor and ratio.

use serde::Serialize;

use crate::bootstrap::bootstrap_difference;
use crate::corpus::Kind;
use crate::results::{BUCKETS, Record};
use crate::{Interval, Metric, Ratio, bootstrap};

/// Whether texts fitted into the model's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Texts of one segment.
    Within,
    /// Texts that were cut into several.
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

/// A group's numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which texts.
    #[serde(flatten)]
    pub group: Group,
    /// How many.
    pub n: usize,
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

    /// What the row is called: corpus, kind, and what sets it apart.
    pub fn label(&self) -> String {
        let Group { corpus, kind, window, .. } = &self.group;
        let kind =
            kind.map_or_else(String::new, |kind| format!(", {}", kind.name().replace('_', " ")));
        let window = match window {
            Window::Within => "",
            Window::Beyond => ", longer than the window",
        };
        format!("{corpus}{kind}{window}")
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
        let group = Group {
            corpus: record.corpus.clone(),
            kind: record.kind,
            compressor: record.compressor.clone(),
            ratio: record.ratio,
            window: if record.beyond_window() { Window::Beyond } else { Window::Within },
        };
        let place = *place.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(record);
    }
    groups
}

fn row(group: Group, records: &[&Record]) -> Row {
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
    let intervals = bootstrap(&records.iter().map(columns).collect::<Vec<_>>());
    let (metrics, rest) = intervals.split_at(Metric::ALL.len());
    Row {
        group,
        n,
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

/// The mean difference of a metric between two ways with the same texts, the second less the first;
/// `None` where they aren't the same texts.
pub fn paired_difference(
    first: &[&Record],
    second: &[&Record],
    metric: Metric,
) -> Option<Interval> {
    let same = first.len() == second.len() && first.iter().zip(second).all(|(a, b)| a.id == b.id);
    if !same || first.is_empty() {
        return None;
    }
    let differences =
        first.iter().zip(second).map(|(a, b)| b.scores.get(metric) - a.scores.get(metric));
    let rows: Vec<Vec<f64>> = differences.map(|difference| vec![difference]).collect();
    bootstrap(&rows).first().copied()
}

/// The difference of a metric's means between two sets of other texts, the second less the first, each
/// set drawn again by itself.
pub fn difference(first: &[&Record], second: &[&Record], metric: Metric) -> Interval {
    let scores = |records: &[&Record]| -> Vec<f64> {
        records.iter().map(|record| record.scores.get(metric)).collect()
    };
    bootstrap_difference(&scores(first), &scores(second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scores;

    fn record(ratio: u32, segments: usize, score: f64) -> Record {
        Record {
            corpus: "c".into(),
            kind: None,
            id: format!("{score}"),
            compressor: "c3".into(),
            ratio: Ratio(Some(ratio)),
            tokens: 40,
            segments,
            latents: 8,
            positions: 10,
            cut_off: 1,
            scores: Scores::of(|_| score),
            wrong: [vec![0; BUCKETS - 1], vec![2]].concat(),
            whole_tokens: 40,
            reference: None,
            output: None,
        }
    }

    #[test]
    fn texts_beyond_the_window_are_apart() {
        let records = [record(4, 1, 0.5), record(4, 3, 0.1), record(4, 1, 0.7), record(8, 1, 0.2)];
        let rows = Summary::of(&records).rows;
        let seen: Vec<(Window, Ratio, usize)> =
            rows.iter().map(|row| (row.group.window, row.group.ratio, row.n)).collect();
        let [four, eight] = [4, 8].map(|ratio| Ratio(Some(ratio)));
        assert_eq!(
            seen,
            [(Window::Within, four, 2), (Window::Beyond, four, 1), (Window::Within, eight, 1)]
        );
        let first = &rows[0];
        assert_eq!((first.token_ratio, first.nominal_ratio, first.cut_off), (4.0, 5.0, 2));
        let exact = first.metric(Metric::Exact);
        assert!((exact.mean - 0.6).abs() < 1e-12 && exact.low == 0.5 && exact.high == 0.7);
        // Two tokens to a stretch, all wrong in the last of five.
        assert_eq!(first.error_by_position[BUCKETS - 1].mean, 1.0);
        assert_eq!(first.error_at_end_less_beginning.mean, 0.2);
    }

    #[test]
    fn differences_are_of_the_same_texts() {
        let (a, b) =
            ([record(4, 1, 0.5), record(4, 1, 0.7)], [record(8, 1, 0.5), record(8, 1, 0.7)]);
        let (a, b): (Vec<&Record>, Vec<&Record>) = (a.iter().collect(), b.iter().collect());
        let none = paired_difference(&a, &b, Metric::Exact).unwrap();
        assert_eq!(none, Interval { mean: 0.0, low: 0.0, high: 0.0 });
        assert_eq!(paired_difference(&a, &b[..1], Metric::Exact), None);
    }
}
