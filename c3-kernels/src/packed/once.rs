//! Products whose activations are rounded, with weights that were packed a moment ago: what training
//! does, whose weights change.

use super::buffer::prefer_huge_pages;
use super::product::{Job, product};
use super::{PackedMatrix, Unit};
use crate::factor::Factor;
use crate::shared::Shared;

/// `x`, `[rows, k]`, times the transpose of `w`, `[n, k]`, plus `[n]`: `[rows, n]`. x is rounded to
/// bf16 as w is, the sums are f32.
///
/// # Safety
/// The machine must have the unit.
pub(crate) unsafe fn rounded_product(
    unit: Unit,
    x: Factor<'_>,
    w: &PackedMatrix,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let ([rows, _], [n, _]) = (x.dims(), w.dims());
    let size = rows * n;
    let mut out = Vec::<f32>::with_capacity(size);
    prefer_huge_pages(out.as_ptr().cast(), size * size_of::<f32>());
    // SAFETY: as the caller promises; every value of the result is written.
    unsafe {
        multiply(unit, x, w, (bias, false), Shared(out.as_mut_ptr()));
        out.set_len(size);
    }
    out
}

/// Adds such a product without a bias to `to`, `[rows, n]`.
///
/// # Safety
/// As for [`rounded_product`].
pub(crate) unsafe fn add_rounded_product(
    unit: Unit,
    x: Factor<'_>,
    w: &PackedMatrix,
    to: &mut [f32],
) {
    let ([rows, _], [n, _]) = (x.dims(), w.dims());
    assert_eq!(to.len(), rows * n, "a product is added to one of its shape");
    // SAFETY: as the caller promises.
    unsafe { multiply(unit, x, w, (None, true), Shared(to.as_mut_ptr())) }
}

/// # Safety
/// As for [`rounded_product`]; `out` must have room for the result, and hold one where it is added to.
unsafe fn multiply(
    unit: Unit,
    x: Factor<'_>,
    w: &PackedMatrix,
    (bias, add): (Option<&[f32]>, bool),
    out: Shared,
) {
    let ([rows, k], [n, depth]) = (x.dims(), w.dims());
    assert_eq!(k, depth, "both factors of a product are as deep");
    assert!(bias.is_none_or(|bias| bias.len() == n), "a bias is as wide as the weights");
    if rows * n == 0 {
        return;
    }
    // Pairs are packed from either order, all else from rows.
    let rows_of_x;
    let x = match x.is_turned() && unit != Unit::Bf16Pairs {
        true => {
            rows_of_x = x.in_rows();
            Factor::new(&rows_of_x, [rows, k])
        }
        false => x,
    };
    let job = Job { x, matrix: w, columns: 0..n, bias, round: true, add, out };
    // SAFETY: as the caller promises; the sizes are those of the factors.
    unsafe { product(unit, &job) }
}
