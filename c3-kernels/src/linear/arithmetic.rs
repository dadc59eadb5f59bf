//! What the products of a layer that is trained are computed with.

use super::product;
use crate::packed::rounded_product;
use crate::{Activations, Level, Result, Unit};

/// What multiplies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arithmetic {
    /// f32.
    Whole(Level),
    /// Operands rounded to bf16, sums in f32.
    Rounded(Unit),
}

impl Arithmetic {
    /// The fastest that these activations allow: rounding is of use only where the processor
    /// multiplies bf16 faster.
    pub(crate) fn detect(activations: Activations) -> Self {
        match Unit::detect(activations) {
            Unit::Vector(level) => Self::Whole(level),
            unit => Self::Rounded(unit),
        }
    }

    /// What multiplies 16-bit weights, which are never trained.
    pub(super) fn level(self) -> Level {
        match self {
            Self::Whole(level) => level,
            Self::Rounded(_) => Level::detect(),
        }
    }

    /// `[rows, k]` times the transpose of `[n, k]`, plus `[n]`: `[rows, n]`.
    ///
    /// # Safety
    /// The machine must have the level or the unit; the slices must have these sizes.
    pub(crate) unsafe fn product(
        self,
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        sizes: [usize; 3],
    ) -> Result<Vec<f32>> {
        // SAFETY: passed on to the caller.
        unsafe {
            match self {
                Self::Whole(level) => Ok(product(level, x, w, bias, sizes)),
                Self::Rounded(unit) => rounded_product(unit, x, w, bias, sizes),
            }
        }
    }
}
