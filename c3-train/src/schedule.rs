//! How the learning rate rises and falls.

use crate::OptimizerConfig;

/// The share of the learning rates at `step`, counted from 0, of `steps`: rising linearly, then 1,
/// then falling linearly.
pub(crate) fn share(optimizer: &OptimizerConfig, step: u64, steps: u64) -> f64 {
    let rising = (step + 1) as f64 / optimizer.warm_up.max(1) as f64;
    let falling = steps.saturating_sub(step) as f64 / (optimizer.decay * steps as f64).max(1.0);
    rising.min(falling).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_stays_and_falls() {
        let optimizer = OptimizerConfig { warm_up: 10, decay: 0.25, ..Default::default() };
        let at = |step| share(&optimizer, step, 100);
        assert_eq!([at(0), at(4), at(9), at(50), at(75)], [0.1, 0.5, 1.0, 1.0, 1.0]);
        assert_eq!([at(80), at(99)], [0.8, 0.04]);
        let plain = OptimizerConfig { warm_up: 0, decay: 0.0, ..Default::default() };
        assert!((0..100).all(|step| share(&plain, step, 100) == 1.0));
    }
}
