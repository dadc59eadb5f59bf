//! How sure a mean is.

use std::collections::HashMap;
use std::hash::Hash;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Times that the documents are drawn again.
const RESAMPLES: usize = 2000;

/// A mean with the 95% interval of its bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The interval's lower end; NaN where there is no interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Percentile bootstrap (Efron 1979) of means: 2,000 resamples with a fixed seed, the same draws for
/// every column. Each row is one text, each column one quantity; rows are equally long.
///
/// What is drawn again are documents with all of their texts (the cluster bootstrap, Davison and Hinkley
/// 1997, 3.8): passages of one document succeed and fail together, and may even overlap. Of a single
/// document there is no interval: its ends are NaN.
///
/// A column's cell may be missing (NaN): a resample's mean is over those that are there.
pub fn bootstrap<D: Eq + Hash>(documents: &[D], rows: &[Vec<f64>]) -> Vec<Interval> {
    let columns = rows.first().map_or(0, Vec::len);
    let clusters = Clusters::new(documents, rows);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut means = vec![Vec::with_capacity(RESAMPLES); columns];
    for _ in 0..RESAMPLES {
        let drawn = clusters.draw(columns, &mut rng);
        drawn.iter().zip(&mut means).for_each(|(sum, means)| means.push(sum.mean()));
    }
    let all = clusters.all(columns);
    let interval = |(all, means): (&Sum, _)| clusters.interval(all.mean(), means);
    all.iter().zip(means).map(interval).collect()
}

/// Percentile bootstrap of the difference between the means of two sets, each drawn again by itself:
/// the second's less the first's.
pub(crate) fn bootstrap_difference<D: Eq + Hash>(
    (first_documents, first): (&[D], &[f64]),
    (second_documents, second): (&[D], &[f64]),
) -> Interval {
    let rows = |values: &[f64]| values.iter().map(|&value| vec![value]).collect::<Vec<_>>();
    let first = Clusters::new(first_documents, &rows(first));
    let second = Clusters::new(second_documents, &rows(second));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn = |set: &Clusters| set.draw(1, &mut rng)[0].mean();
    let differences = (0..RESAMPLES).map(|_| -drawn(&first) + drawn(&second)).collect();
    let mean = second.all(1)[0].mean() - first.all(1)[0].mean();
    // Where either has a single document, nothing is known of how others would differ.
    let fewer = if first.0.len() < second.0.len() { &first } else { &second };
    fewer.interval(mean, differences)
}

/// A sum of those values that are there.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// NaN of none.
    fn mean(self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Each document's sums, a column each.
struct Clusters(Vec<Vec<Sum>>);

impl Clusters {
    fn new<D: Eq + Hash>(documents: &[D], rows: &[Vec<f64>]) -> Self {
        let (mut places, mut clusters) = (HashMap::new(), Vec::new());
        for (document, row) in documents.iter().zip(rows) {
            let place = *places.entry(document).or_insert_with(|| {
                clusters.push(vec![Sum::default(); row.len()]);
                clusters.len() - 1
            });
            for (sum, &value) in clusters[place].iter_mut().zip(row) {
                if !value.is_nan() {
                    sum.add(Sum { sum: value, count: 1 });
                }
            }
        }
        Self(clusters)
    }

    fn all(&self, columns: usize) -> Vec<Sum> {
        added(columns, self.0.iter())
    }

    /// As many documents as there are, each any of them.
    fn draw(&self, columns: usize, rng: &mut ChaCha8Rng) -> Vec<Sum> {
        let n = self.0.len();
        added(columns, (0..n).map(|_| &self.0[rng.random_range(0..n)]))
    }

    /// The interval that leaves out 2.5% of the resamples at either end.
    fn interval(&self, mean: f64, mut resampled: Vec<f64>) -> Interval {
        resampled.retain(|mean| !mean.is_nan());
        if self.0.len() < 2 {
            resampled.clear();
        }
        resampled.sort_by(f64::total_cmp);
        let cut = resampled.len() / 40;
        let at = |place: Option<usize>| place.and_then(|at| resampled.get(at)).copied();
        let (low, high) = (at(Some(cut)), at((resampled.len()).checked_sub(cut + 1)));
        Interval { mean, low: low.unwrap_or(f64::NAN), high: high.unwrap_or(f64::NAN) }
    }
}

fn added<'s>(columns: usize, clusters: impl Iterator<Item = &'s Vec<Sum>>) -> Vec<Sum> {
    clusters.fold(vec![Sum::default(); columns], |mut sums, cluster| {
        sums.iter_mut().zip(cluster).for_each(|(sum, &other)| sum.add(other));
        sums
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_its_own(rows: &[Vec<f64>]) -> Vec<Interval> {
        bootstrap(&(0..rows.len()).collect::<Vec<_>>(), rows)
    }

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let covered = (0..200).filter(|_| {
            let rows: Vec<Vec<f64>> =
                (0..60).map(|_| vec![(0..12).map(|_| rng.random::<f64>()).sum::<f64>()]).collect();
            let found = each_its_own(&rows)[0];
            found.low <= 6.0 && 6.0 <= found.high
        });
        let covered = covered.count();
        assert!((182..=198).contains(&covered), "{covered} of 200, expected about 190");
    }

    /// Ten copies of every text say no more than one. Taken for independent, they would narrow the
    /// interval to a third, and it would cover about half as often as it says.
    #[test]
    fn passages_of_a_document_are_not_independent() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let values: Vec<f64> = (0..40).map(|_| rng.random()).collect();
        let once: Vec<Vec<f64>> = values.iter().map(|&value| vec![value]).collect();
        let copied: Vec<Vec<f64>> = once.iter().flat_map(|row| vec![row.clone(); 10]).collect();
        let documents: Vec<usize> = (0..400).map(|passage| passage / 10).collect();
        let (alone, clustered) = (each_its_own(&once)[0], bootstrap(&documents, &copied)[0]);
        assert!((alone.mean - clustered.mean).abs() < 1e-12);
        assert!((alone.low - clustered.low).abs() < 1e-12, "{alone:?} {clustered:?}");
        assert!((alone.high - clustered.high).abs() < 1e-12, "{alone:?} {clustered:?}");
        let naive = each_its_own(&copied)[0];
        assert!(naive.high - naive.low < 0.5 * (clustered.high - clustered.low));
        // A document counts for as much as it has texts.
        let unequal =
            bootstrap(&["a", "a", "a", "b"], &[vec![1.0], vec![1.0], vec![1.0], vec![0.0]]);
        assert_eq!(unequal[0], Interval { mean: 0.75, low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_same_rows_have_the_same_interval_and_gaps_dont_count() {
        let rows: Vec<Vec<f64>> =
            (0..50).map(|i| vec![f64::from(i), if i % 2 == 0 { f64::NAN } else { 1.0 }]).collect();
        assert_eq!(each_its_own(&rows), each_its_own(&rows));
        let [first, gaps] = each_its_own(&rows)[..] else { panic!() };
        assert!(first.mean == 24.5 && first.low < 22.0 && first.high > 27.0, "{first:?}");
        assert_eq!(gaps, Interval { mean: 1.0, low: 1.0, high: 1.0 });
        assert!(each_its_own(&[]).is_empty());
    }

    #[test]
    fn of_one_document_there_is_no_interval() {
        let one = bootstrap(&["a", "a"], &[vec![0.5], vec![1.0]])[0];
        assert!(one.mean == 0.75 && one.low.is_nan() && one.high.is_nan(), "{one:?}");
        let set = (&["a", "a"][..], &[0.5, 1.0][..]);
        let difference = bootstrap_difference(set, (&["a", "b"], &[1.0, 1.0]));
        assert!(difference.mean == 0.25 && difference.low.is_nan(), "{difference:?}");
    }

    #[test]
    fn a_difference_is_the_seconds_less_the_firsts() {
        let (low, high): (Vec<f64>, Vec<f64>) =
            (0..40).map(|i| (f64::from(i % 2), 10.0 + f64::from(i % 4))).unzip();
        let documents: Vec<usize> = (0..40).collect();
        let up = bootstrap_difference((&documents, &low), (&documents, &high));
        assert!((up.mean - 11.0).abs() < 1e-12 && up.low > 10.5 && up.high < 11.5, "{up:?}");
        let down = bootstrap_difference((&documents, &high), (&documents, &low));
        assert!((down.mean + 11.0).abs() < 1e-12 && down.low > -11.5 && down.high < -10.5);
        // Standard errors of 0.5 and 1.118 over √40 add as squares: 1.96 times 0.194 on either side.
        assert!((up.high - up.low - 0.76).abs() < 0.06, "{up:?}");
        let nothing = bootstrap_difference((&[] as &[usize], &[]), (&documents, &high));
        assert!(nothing.mean.is_nan() && nothing.low.is_nan());
    }
}
