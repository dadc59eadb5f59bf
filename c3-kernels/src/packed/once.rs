//! A product with weights that are packed for it alone: what training does, whose weights change.

use half::bf16;

use super::buffer::prefer_huge_pages;
use super::product::{Job, product};
use super::{PackedMatrix, Unit};
use crate::shared::Shared;
use crate::{Error, Result};

/// `[rows, k]` times the transpose of `[n, k]`, plus `[n]`: `[rows, n]`. Both operands are rounded to
/// bf16, the sums are f32.
///
/// # Safety
/// The machine must have the unit; the slices must have these sizes.
pub(crate) unsafe fn rounded_product(
    unit: Unit,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    [rows, n, k]: [usize; 3],
) -> Result<Vec<f32>> {
    let matrix = PackedMatrix::pack::<Error>([n, k], |row, to| {
        for (to, &from) in to.iter_mut().zip(&w[row * k..]) {
            *to = bf16::from_f32(from);
        }
        Ok(())
    })?;
    let size = rows * n;
    let mut out = Vec::<f32>::with_capacity(size);
    prefer_huge_pages(out.as_ptr().cast(), size * size_of::<f32>());
    let out_at = Shared(out.as_mut_ptr());
    let job = Job { x, rows, matrix: &matrix, columns: 0..n, bias, round: true, out: out_at };
    // SAFETY: as the caller promises; every value of the result is written.
    unsafe {
        if size > 0 {
            product(unit, &job);
        }
        out.set_len(size);
    }
    Ok(out)
}
