//! How sure a mean is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Times that the texts are drawn again.
const RESAMPLES: usize = 2000;

/// A mean with the 95% interval of its bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Percentile bootstrap (Efron 1979) of means: 2,000 resamples with a fixed seed, the same draws for
/// every column. Each row is one text, each column one quantity; rows are equally long.
///
/// A column's cell may be missing (NaN): a resample's mean is over those that are there.
pub fn bootstrap(rows: &[Vec<f64>]) -> Vec<Interval> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut means = vec![Vec::with_capacity(RESAMPLES); columns];
    let mut draws = vec![0usize; rows.len()];
    for _ in 0..RESAMPLES {
        draws.iter_mut().for_each(|draw| *draw = rng.random_range(0..rows.len()));
        for (column, means) in means.iter_mut().enumerate() {
            means.push(mean(draws.iter().map(|&row| rows[row][column])));
        }
    }
    let interval = |(column, means)| percentiles(mean(rows.iter().map(|row| row[column])), means);
    means.into_iter().enumerate().map(interval).collect()
}

/// Percentile bootstrap of the difference between the means of two sets, each drawn again by itself:
/// the second's less the first's.
pub(crate) fn bootstrap_difference(first: &[f64], second: &[f64]) -> Interval {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn = |values: &[f64]| match values.len() {
        0 => f64::NAN,
        n => mean((0..n).map(|_| values[rng.random_range(0..n)])),
    };
    let differences = (0..RESAMPLES).map(|_| -drawn(first) + drawn(second)).collect();
    percentiles(mean(second.iter().copied()) - mean(first.iter().copied()), differences)
}

/// The interval that leaves out 2.5% of the resamples at either end.
fn percentiles(mean: f64, mut resampled: Vec<f64>) -> Interval {
    resampled.retain(|mean| !mean.is_nan());
    resampled.sort_by(f64::total_cmp);
    let cut = resampled.len() / 40;
    let at = |place: Option<usize>| place.and_then(|at| resampled.get(at)).copied();
    let (low, high) = (at(Some(cut)), at((resampled.len()).checked_sub(cut + 1)));
    Interval { mean, low: low.unwrap_or(f64::NAN), high: high.unwrap_or(f64::NAN) }
}

/// The mean of those that are there; NaN of none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .filter(|value| !value.is_nan())
        .fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let covered = (0..200).filter(|_| {
            let rows: Vec<Vec<f64>> =
                (0..60).map(|_| vec![(0..12).map(|_| rng.random::<f64>()).sum::<f64>()]).collect();
            let found = bootstrap(&rows)[0];
            found.low <= 6.0 && 6.0 <= found.high
        });
        let covered = covered.count();
        assert!((182..=198).contains(&covered), "{covered} of 200, expected about 190");
    }

    #[test]
    fn the_same_rows_have_the_same_interval_and_gaps_dont_count() {
        let rows: Vec<Vec<f64>> =
            (0..50).map(|i| vec![f64::from(i), if i % 2 == 0 { f64::NAN } else { 1.0 }]).collect();
        assert_eq!(bootstrap(&rows), bootstrap(&rows));
        let [first, gaps] = bootstrap(&rows)[..] else { panic!() };
        assert!(first.mean == 24.5 && first.low < 22.0 && first.high > 27.0, "{first:?}");
        assert_eq!(gaps, Interval { mean: 1.0, low: 1.0, high: 1.0 });
        assert!(bootstrap(&[]).is_empty());
    }
}
