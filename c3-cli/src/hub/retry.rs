//! Asking again.

use std::time::{Duration, Instant};

use super::error::{Error, Result};
use crate::interrupt;

/// Failures in a row after which we give up.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Counts failures in a row; waits longer after each.
pub struct Retry {
    failures: u32,
}

impl Retry {
    pub fn new() -> Self {
        Self { failures: 0 }
    }

    /// Something arrived: earlier failures no longer count.
    pub fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Waits before another attempt; gives `error` back where there should be none.
    pub fn wait(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        if !error.is_transient() || self.failures == ATTEMPTS {
            return Err(error);
        }
        let end = Instant::now() + FIRST_WAIT * 2u32.pow(self.failures - 1);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            interrupt::check()?;
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }
}

/// Tries until it works, or until there is no hope.
pub fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut retry = Retry::new();
    loop {
        match attempt() {
            Err(error) => retry.wait(error)?,
            done => return done,
        }
    }
}
