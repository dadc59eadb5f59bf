//! How long a benchmark may take.

use std::time::Duration;

use criterion::Criterion;

/// Few and short samples: the numbers of one run are compared with each other, and there are hundreds.
/// `--quick` goes on until two runs agree to 5%, but no longer than it takes to begin after the time
/// given here; other options of the command line overrule it.
pub fn settings() -> Criterion {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let measured = Duration::from_millis(if quick { 400 } else { 2000 });
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(measured)
        // Of ten samples more resamples tell nothing, but each benchmark would take longer.
        .nresamples(10_000)
}
