//! Batches and a number format that fit into the memory there is.

use anyhow::anyhow;
use c3_nn::{BlockType, LoadOptions, WeightDtype};

use super::job::{Estimate, Job, Rows};
use crate::human;
use crate::report::with_hint;

/// What weights are kept as where the user doesn't say: the first that fits.
const DTYPES: [WeightDtype; 4] = [
    WeightDtype::Auto,
    WeightDtype::Stored,
    WeightDtype::Bf16,
    WeightDtype::Quantized(BlockType::Q8_0),
];

/// How much memory a job may take.
#[derive(Clone, Copy)]
pub enum Limit {
    /// As much as the user says.
    Asked(u64),
    /// As much as the machine has.
    Machine(u64),
}

/// How a job fits.
pub struct Fit {
    pub options: LoadOptions,
    pub rows: Rows,
    pub estimate: Estimate,
    /// Whether `rows` were chosen here; the stages choose otherwise.
    chosen: bool,
}

impl Fit {
    /// What a stage is to be told of its batch, if anything.
    pub fn batch(&self, rows: usize) -> Option<usize> {
        self.chosen.then_some(rows.max(1))
    }
}

/// Makes `job` fit.
///
/// Under a limit that was asked for, the exactest format is taken in which one segment fits, if the
/// user chose none (`chosen`), and as many segments are computed together as then fit, up to what is
/// of use. Otherwise the job stays as it is.
///
/// # Errors
/// Where it doesn't fit; the message has the numbers.
pub fn fit(
    job: &Job<'_>,
    options: &LoadOptions,
    chosen: bool,
    limit: Option<Limit>,
) -> anyhow::Result<Fit> {
    let with = |dtype: WeightDtype, rows: Rows| -> Fit {
        let options = LoadOptions { dtype, ..options.clone() };
        let estimate = job.estimate(&options, rows);
        Fit { options, rows, estimate, chosen: matches!(limit, Some(Limit::Asked(_))) }
    };
    let asked = match limit {
        Some(Limit::Asked(bytes)) => bytes,
        Some(Limit::Machine(bytes)) => {
            let fit = with(options.dtype, job.rows());
            return match fit.estimate.peak_bytes <= bytes {
                true => Ok(fit),
                false => Err(refusal(&fit, &format!("this machine has {}", human::bytes(bytes)))),
            };
        }
        None => return Ok(with(options.dtype, job.rows())),
    };
    let Bounds { least, most } = Bounds::of(job);
    let dtypes = if chosen { &[options.dtype][..] } else { &DTYPES };
    let fits = |fit: &Fit| fit.estimate.peak_bytes <= asked;
    if let Some(&dtype) = dtypes.iter().find(|&&dtype| fits(&with(dtype, least))) {
        // The stages come one after the other: neither takes from what the other may use.
        let encode = largest(least.encode, most.encode, |encode| {
            fits(&with(dtype, Rows { encode, ..least }))
        });
        let decode = largest(least.decode, most.decode, |decode| {
            fits(&with(dtype, Rows { decode, ..least }))
        });
        return Ok(with(dtype, Rows { encode, decode }));
    }
    let smallest = dtypes.iter().map(|&dtype| with(dtype, least));
    let smallest = smallest.min_by_key(|fit| fit.estimate.peak_bytes);
    let smallest = smallest.unwrap_or_else(|| with(options.dtype, least));
    Err(refusal(&smallest, &format!("--max-memory is {}", human::bytes(asked))))
}

/// Fewest and most segments that may be computed together.
struct Bounds {
    least: Rows,
    most: Rows,
}

impl Bounds {
    fn of(job: &Job<'_>) -> Self {
        let encoding = job
            .encoding
            .as_ref()
            .map_or((0, 0), |job| bounds(job.batch, job.bank.default_batch(), job.most));
        let decoding = job
            .decoding
            .as_ref()
            .map_or((0, 0), |job| bounds(job.batch, job.most_rows(), job.most));
        Self {
            least: Rows { encode: encoding.0, decode: decoding.0 },
            most: Rows { encode: encoding.1, decode: decoding.1 },
        }
    }
}

fn bounds(batch: Option<usize>, of_use: usize, there_are: usize) -> (usize, usize) {
    match batch {
        Some(batch) => (batch.min(there_are), batch.min(there_are)),
        None => (1.min(there_are), of_use.min(there_are)),
    }
}

/// The largest number from `least` to `most` for which `fits` holds; it does for `least`, and for
/// every number below one for which it does.
fn largest(least: usize, most: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (least, most.max(least).saturating_add(1));
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle) { good = middle } else { bad = middle }
    }
    good
}

fn refusal(fit: &Fit, limit: &str) -> anyhow::Error {
    let Fit { options, rows, estimate, .. } = fit;
    let batch = rows.encode.max(rows.decode);
    let error = anyhow!(
        "this needs at least {} at {} --batch {batch}, but {limit}: {} weights, {} for a \
         batch, {} for the rest",
        human::bytes(estimate.peak_bytes),
        option(options.dtype),
        human::bytes(estimate.weight_bytes),
        human::bytes(estimate.batch_bytes),
        human::bytes(estimate.program_bytes.saturating_add(estimate.text_bytes)),
    );
    with_hint(error, "`c3 doctor --model MODEL` says what other options need")
}

/// The option that asks for it.
fn option(dtype: WeightDtype) -> String {
    match dtype {
        WeightDtype::Quantized(kind) => format!("--quantize {kind}"),
        dtype => format!("--dtype {dtype}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_that_fits() {
        for most in 1..20 {
            for limit in 1..25 {
                assert_eq!(largest(1, most, |n| n <= limit), most.min(limit));
            }
        }
        assert_eq!(largest(0, 0, |_| true), 0);
        assert_eq!(largest(7, 7, |_| true), 7);
        assert_eq!(largest(1, usize::MAX, |n| n <= 1_000_003), 1_000_003);
    }

    #[test]
    fn what_the_user_says_is_not_changed() {
        assert_eq!(bounds(Some(5), 16, 100), (5, 5));
        assert_eq!(bounds(Some(5), 16, 3), (3, 3));
        assert_eq!(bounds(None, 16, 100), (1, 16));
        assert_eq!(bounds(None, 16, 3), (1, 3));
        assert_eq!(bounds(None, 16, 0), (0, 0));
    }
}
