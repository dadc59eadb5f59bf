//! What lies between two sets of results.

use std::collections::HashMap;

use crate::bootstrap::bootstrap_difference;
use crate::results::Record;
use crate::{Interval, Metric, bootstrap};

/// The records of the texts that both have, in the second's order, in pairs.
fn pairs<'r>(first: &[&'r Record], second: &[&'r Record]) -> Vec<(&'r Record, &'r Record)> {
    let by_id: HashMap<&str, &Record> = first.iter().map(|&r| (r.id.as_str(), r)).collect();
    second.iter().filter_map(|&r| Some((*by_id.get(r.id.as_str())?, r))).collect()
}

/// The records of the first whose texts the second has too, in its order: those that
/// [`paired_difference`] compares. `None` where the second has texts that the first lacks.
pub fn counterparts<'r>(first: &[&'r Record], second: &[&'r Record]) -> Option<Vec<&'r Record>> {
    let pairs = pairs(first, second);
    let all = !second.is_empty() && pairs.len() == second.len();
    all.then(|| pairs.into_iter().map(|(first, _)| first).collect())
}

/// The mean difference of a metric between two ways with the same texts, the second less the first;
/// `None` where the second has texts that the first lacks. It may have fewer: what was made of some
/// texts can't be measured.
pub fn paired_difference(
    first: &[&Record],
    second: &[&Record],
    metric: Metric,
) -> Option<Interval> {
    let first = counterparts(first, second)?;
    let less = |(a, b): (&&Record, &&Record)| vec![b.scores.get(metric) - a.scores.get(metric)];
    let rows: Vec<Vec<f64>> = first.iter().zip(second).map(less).collect();
    bootstrap(&documents(second), &rows).first().copied()
}

/// The difference of a metric's means between two sets of other texts, the second less the first, each
/// set drawn again by itself.
pub fn difference(first: &[&Record], second: &[&Record], metric: Metric) -> Interval {
    let scores = |records: &[&Record]| -> Vec<f64> {
        records.iter().map(|record| record.scores.get(metric)).collect()
    };
    bootstrap_difference((&documents(first), &scores(first)), (&documents(second), &scores(second)))
}

fn documents<'r>(records: &[&'r Record]) -> Vec<&'r str> {
    records.iter().map(|record| record.document.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Texts;

    fn all(records: &[Record]) -> Vec<&Record> {
        records.iter().collect()
    }

    #[test]
    fn a_paired_difference_is_of_each_text() {
        // Every text loses a quarter: whatever is drawn, the difference is the same.
        let (four, eight) = (
            Texts::new("c", 4).scored(&[0.5, 0.75, 1.0]),
            Texts::new("c", 8).scored(&[0.25, 0.5, 0.75]),
        );
        let (four, eight) = (all(&four), all(&eight));
        let lost = paired_difference(&four, &eight, Metric::Exact).unwrap();
        assert_eq!(lost, Interval { mean: -0.25, low: -0.25, high: -0.25 });
        let won = paired_difference(&eight, &four, Metric::Exact).unwrap();
        assert_eq!(won, Interval { mean: 0.25, low: 0.25, high: 0.25 });
        // As sets of their own, they differ as much and are far less sure.
        let apart = difference(&four, &eight, Metric::Exact);
        assert!((apart.mean + 0.25).abs() < 1e-12 && apart.low < -0.4 && apart.high > -0.1);
    }

    #[test]
    fn fewer_texts_are_compared_with_their_counterparts() {
        let plain = Texts::new("c", 4).scored(&[0.5, 0.75, 1.0]);
        let mut made = Texts::new("c", 4).scored(&[0.0, 0.5, 0.75]);
        made.remove(0);
        let found = paired_difference(&all(&plain), &all(&made), Metric::Exact).unwrap();
        assert_eq!(found, Interval { mean: -0.25, low: -0.25, high: -0.25 });
        let of = counterparts(&all(&plain), &all(&made)).unwrap();
        assert_eq!(of, [&plain[1], &plain[2]]);
        // What the first lacks has no counterpart, and nothing is not a set of texts.
        assert_eq!(paired_difference(&all(&made), &all(&plain), Metric::Exact), None);
        assert_eq!(paired_difference(&all(&plain), &[], Metric::Exact), None);
    }
}
