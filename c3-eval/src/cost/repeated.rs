//! Measurements of the same work.

use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Tokens that were processed, as [`Stage`](super::Stage) counts them.
    pub tokens: u64,
    /// What it took.
    pub seconds: f64,
}

/// Mean and standard deviation of repeated measurements, as rates and as times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeated {
    /// Measurements.
    pub repetitions: usize,
    /// Tokens of one.
    pub tokens: u64,
    /// Mean of the seconds that one took.
    pub seconds: f64,
    /// Their standard deviation.
    pub seconds_sd: f64,
    /// Mean of the tokens per second.
    pub rate: f64,
    /// Their standard deviation.
    pub rate_sd: f64,
}

impl Repeated {
    /// Of timings of the same work.
    pub fn of(timings: &[Timing]) -> Self {
        let seconds: Vec<f64> = timings.iter().map(|timing| timing.seconds).collect();
        let rates: Vec<f64> = timings
            .iter()
            .map(|t| if t.seconds > 0.0 { t.tokens as f64 / t.seconds } else { 0.0 })
            .collect();
        let ((seconds, seconds_sd), (rate, rate_sd)) = (moments(&seconds), moments(&rates));
        let tokens = timings.first().map_or(0, |timing| timing.tokens);
        Self { repetitions: timings.len(), tokens, seconds, seconds_sd, rate, rate_sd }
    }
}

/// Mean and sample standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        let timing = |seconds| Timing { tokens: 8, seconds };
        let repeated = Repeated::of(&[timing(1.0), timing(2.0), timing(4.0)]);
        assert!((repeated.seconds - 7.0 / 3.0).abs() < 1e-12);
        assert!((repeated.seconds_sd - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((repeated.rate, repeated.tokens, repeated.repetitions), (14.0 / 3.0, 8, 3));
        assert_eq!(Repeated::of(&[timing(0.5)]).rate_sd, 0.0);
    }
}
