//! The table's rows: what segments cost, and whether they came back.

use c3_core::{Fidelity, Segment};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a segment costs, in decoder positions.
#[derive(Clone, Copy)]
pub struct Cost {
    tokens: u64,
    latents: u64,
    corrections: u64,
    all: u64,
    verbatim: bool,
}

impl Cost {
    pub fn of(segment: &Segment) -> Self {
        let tokens = u64::from(segment.text_tokens);
        let latents = segment.latents.rows() as u64 + 2;
        match &segment.fidelity {
            Fidelity::Exact { corrections, patches } => {
                let patched: usize = patches.iter().map(|patch| patch.bytes.len()).sum();
                let corrections = corrections.len() as u64;
                let all = latents + corrections + patched as u64;
                Self { tokens, latents, corrections, all, verbatim: false }
            }
            _ => Self { tokens, latents: tokens, corrections: 0, all: tokens, verbatim: true },
        }
    }
}

/// Segments compressed exactly, and how many came back byte for byte.
#[derive(Default)]
pub struct Exact {
    pub segments: Vec<Cost>,
    pub came_back: usize,
}

impl Exact {
    /// Tokens for each decoder position.
    pub fn honest(&self) -> f64 {
        ratio(self.segments.iter())
    }

    /// Percentile bootstrap over segments, 1,000 resamples, a fixed seed.
    pub fn interval(&self) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let count = self.segments.len();
        let mut ratios: Vec<f64> = (0..1000)
            .map(|_| {
                let draw: Vec<&Cost> =
                    (0..count).map(|_| &self.segments[rng.random_range(0..count)]).collect();
                ratio(draw.into_iter())
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        (ratios[25], ratios[974])
    }
}

fn ratio<'a>(costs: impl Iterator<Item = &'a Cost>) -> f64 {
    let (tokens, all) = costs.fold((0, 0), |(t, a), cost| (t + cost.tokens, a + cost.all));
    tokens as f64 / all as f64
}

/// Segments checked: those foretold to be right, and those whose first difference was as foretold.
#[derive(Default)]
pub struct Checked {
    pub segments: usize,
    pub right: usize,
    pub as_foretold: usize,
}

/// Of one kind of text and one ratio, or of several.
#[derive(Default)]
pub struct Row {
    pub exact: Exact,
    pub checked: Checked,
}

impl Row {
    /// What its columns are.
    pub const HEAD: &str = "segments | byte for byte | kept as text | corrections per 1,000 tokens | \
         per segment | nominal ratio | honest ratio | 95% interval | foretold to be right | first \
         difference as foretold |";

    /// Takes another row's segments in.
    pub fn add(&mut self, other: Self) {
        let (exact, checked) = (&mut self.exact, &mut self.checked);
        exact.segments.extend(other.exact.segments);
        exact.came_back += other.exact.came_back;
        checked.segments += other.checked.segments;
        checked.right += other.checked.right;
        checked.as_foretold += other.checked.as_foretold;
    }
}

/// The table's columns.
impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exact: Exact { segments, came_back }, checked } = self;
        let latent: Vec<&Cost> = segments.iter().filter(|cost| !cost.verbatim).collect();
        let sum = |of: fn(&Cost) -> u64| latent.iter().map(|cost| of(cost)).sum::<u64>() as f64;
        let (tokens, corrections) = (sum(|c| c.tokens), sum(|c| c.corrections));
        let count = segments.len();
        let share = |part: usize, of: usize| 100.0 * part as f64 / of as f64;
        write!(
            f,
            "{count} | {:.2}% | {:.1}% |",
            share(*came_back, count),
            share(count - latent.len(), count)
        )?;
        match latent.len() {
            0 => write!(f, " – | – | – |")?,
            some => write!(
                f,
                " {:.1} | {:.2} | {:.2} |",
                1000.0 * corrections / tokens,
                corrections / some as f64,
                tokens / sum(|c| c.latents),
            )?,
        }
        let (low, high) = self.exact.interval();
        write!(f, " {:.2} | {low:.2}–{high:.2} |", self.exact.honest())?;
        let Checked { segments, right, as_foretold } = *checked;
        write!(f, " {:.1}% | {as_foretold} of {segments}", share(right, segments))
    }
}
