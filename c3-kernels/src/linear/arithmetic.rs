//! What the products of a layer that is trained are computed with.

use std::borrow::Cow;

use rayon::prelude::*;

use super::product;
use crate::factor::Factor;
use crate::packed::{add_rounded_product, rounded_product};
use crate::{Activations, Level, PackedMatrix, Result, Unit};

/// What multiplies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arithmetic {
    /// f32.
    Whole(Level),
    /// Operands rounded to bf16, sums in f32.
    Rounded(Unit),
}

/// The second factor of one or more products, `[n, k]`, as they read it.
pub(crate) enum Ready<'a> {
    /// Row by row.
    Whole(Cow<'a, [f32]>, [usize; 2]),
    /// Rounded and packed.
    Rounded(PackedMatrix),
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

    /// Makes `w`, `[n, k]`, ready.
    ///
    /// # Errors
    /// Where no memory holds it.
    pub(crate) fn ready(self, w: Factor<'_>) -> Result<Ready<'_>> {
        match self {
            Self::Whole(_) => Ok(Ready::Whole(w.in_rows(), w.dims())),
            Self::Rounded(_) => Ok(Ready::Rounded(PackedMatrix::rounded(&w)?)),
        }
    }

    /// `x`, `[rows, k]`, times the transpose of `w`, `[n, k]`, plus `[n]`: `[rows, n]`.
    ///
    /// # Safety
    /// The machine must have the level or the unit.
    pub(crate) unsafe fn product(
        self,
        x: Factor<'_>,
        w: &Ready<'_>,
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        // SAFETY: passed on to the caller; factors have as many values as their shapes.
        unsafe {
            match w {
                Ready::Whole(w, [n, depth]) => {
                    let [rows, k] = x.dims();
                    assert_eq!(k, *depth, "both factors of a product are as deep");
                    product(self.level(), &x.in_rows(), w, bias, [rows, *n, k])
                }
                Ready::Rounded(w) => rounded_product(self.unit(), x, w, bias),
            }
        }
    }

    /// Adds `x`, `[rows, k]`, times the transpose of `w`, `[n, k]`, to `to`, `[rows, n]`.
    ///
    /// # Safety
    /// As for [`product`](Self::product).
    pub(crate) unsafe fn add_product(self, x: Factor<'_>, w: &Ready<'_>, to: &mut [f32]) {
        // SAFETY: passed on to the caller.
        unsafe {
            match w {
                Ready::Whole(..) => {
                    let more = self.product(x, w, None);
                    to.par_iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
                Ready::Rounded(w) => add_rounded_product(self.unit(), x, w, to),
            }
        }
    }

    /// What multiplies packed factors.
    fn unit(self) -> Unit {
        match self {
            Self::Whole(level) => Unit::Vector(level),
            Self::Rounded(unit) => unit,
        }
    }
}
