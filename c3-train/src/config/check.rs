//! Which settings can be.

use crate::{Config, Error, Result};

impl Config {
    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`Error::Setting`], naming the first that can't.
    pub fn check(&self) -> Result<()> {
        let refuse = |name, expected: &str, found: String| {
            Err(Error::Setting { name, expected: expected.into(), found })
        };
        if self.steps() == 0 {
            return refuse("stages", "at least one step", "none".into());
        }
        for stage in &self.stages {
            let shortest = stage.lengths.iter().min();
            if shortest.is_none_or(|&shortest| shortest == 0) {
                return refuse(
                    "stages.lengths",
                    "lengths of at least 1",
                    format!("{:?}", stage.lengths),
                );
            }
            if stage.ratios.is_empty() {
                return refuse("stages.ratios", "at least one ratio", "none".into());
            }
            if stage.tokens == 0 {
                return refuse("stages.tokens", "at least 1", "0".into());
            }
            if !(1..=stage.tokens).contains(&stage.parts) {
                let expected = format!("1 to {}, its tokens", stage.tokens);
                return refuse("stages.parts", &expected, stage.parts.to_string());
            }
        }
        let optimizer = &self.optimizer;
        let shares = [
            ("data.shuffled", self.data.shuffled),
            ("data.drawn", self.data.drawn),
            ("data.wrong", self.data.wrong),
            ("optimizer.decay", optimizer.decay),
        ];
        let continuation = self.data.continuation.as_ref();
        let continued = continuation.map(|it| ("data.continuation.share", it.share));
        for (name, share) in shares.into_iter().chain(continued) {
            if !(0.0..=1.0).contains(&share) {
                return refuse(name, "a number from 0 to 1", share.to_string());
            }
        }
        if continuation.is_some_and(|it| it.question.is_empty()) {
            let expected = "a question that tells it from reproduction";
            return refuse("data.continuation.question", expected, "none".into());
        }
        // With 1 nothing new would ever be taken in.
        let kept = [
            ("optimizer.momentum", optimizer.momentum),
            ("optimizer.betas", optimizer.betas[0]),
            ("optimizer.betas", optimizer.betas[1]),
            ("optimizer.average", optimizer.average),
        ];
        for (name, share) in kept {
            if !(0.0..1.0).contains(&share) {
                return refuse(name, "a number from 0 to below 1", share.to_string());
            }
        }
        let rates = [
            ("optimizer.muon_rate", optimizer.muon_rate),
            ("optimizer.adam_rate", optimizer.adam_rate),
            ("optimizer.weight_decay", optimizer.weight_decay),
            ("optimizer.clip", optimizer.clip),
        ];
        for (name, rate) in rates {
            if !rate.is_finite() || rate < 0.0 {
                return refuse(name, "a number from 0 up", rate.to_string());
            }
        }
        let whole = [
            ("run.micro_tokens", self.run.micro_tokens as u64),
            ("run.evaluate_steps", self.run.evaluate_steps),
            ("run.evaluate_segments", self.run.evaluate_segments as u64),
        ];
        for (name, number) in whole {
            if number == 0 {
                return refuse(name, "at least 1", "0".into());
            }
        }
        Ok(())
    }
}
