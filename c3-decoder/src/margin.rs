//! How certain a prediction must be for it to hold in whatever order sums are taken.

use c3_nn::Rounding;

use crate::C3Decoder;

impl C3Decoder {
    /// By how much a token's logit must exceed all others in [one pass](Self::verify) for step-by-step
    /// decoding to choose it as well, on any number of threads and in any company.
    ///
    /// Measured with the built-in model and chosen from the largest difference of margins between one
    /// pass and as many steps: `docs/exactness.md` has the distributions and the factor of safety.
    /// It is no proof; that a segment did come back, its hash shows.
    pub fn margin(&self) -> f32 {
        match self.model.rounding() {
            Rounding::F32 => 1e-3,
            Rounding::Sixteen => 0.25,
            Rounding::Eight => 1.0,
        }
    }
}
