//! Rows to lanes and back.

use super::Simd;

/// Copies `columns` values of each row to `to`, `[columns, width]`: row `r` becomes lane `r`.
///
/// There are `count` rows; lanes past the last repeat it.
///
/// # Safety
/// As for [`Simd`]; `width` is a multiple of `LANES`.
#[inline(always)]
pub(crate) unsafe fn to_lanes<S: Simd>(
    row: impl Fn(usize) -> *const f32,
    count: usize,
    columns: usize,
    to: *mut f32,
    width: usize,
) {
    let whole = columns - columns % S::LANES;
    for lane in (0..width).step_by(S::LANES) {
        let rows: [*const f32; 16] =
            std::array::from_fn(|r| if r < S::LANES { row((lane + r).min(count - 1)) } else { to });
        for i in (0..whole).step_by(S::LANES) {
            let from = rows.map(|row| row.wrapping_add(i));
            let to = std::array::from_fn(|j| to.wrapping_add((i + j) * width + lane));
            unsafe { S::transpose(&from, &to) }
        }
        for i in whole..columns {
            for (r, row) in rows.iter().enumerate().take(S::LANES) {
                unsafe { *to.add(i * width + lane + r) = *row.add(i) }
            }
        }
    }
}

/// The way back: copies lane `r` of `from`, `[columns, width]`, to row `r`, for `count` rows.
///
/// Lanes past the last row must repeat it: they are written to the same place.
///
/// # Safety
/// As for [`Simd`]; `width` is a multiple of `LANES`.
#[inline(always)]
pub(crate) unsafe fn from_lanes<S: Simd>(
    from: *const f32,
    width: usize,
    columns: usize,
    row: impl Fn(usize) -> *mut f32,
    count: usize,
) {
    let whole = columns - columns % S::LANES;
    for lane in (0..width).step_by(S::LANES) {
        let nowhere = std::ptr::null_mut();
        let rows: [*mut f32; 16] = std::array::from_fn(|r| {
            if r < S::LANES { row((lane + r).min(count - 1)) } else { nowhere }
        });
        for i in (0..whole).step_by(S::LANES) {
            let from = std::array::from_fn(|j| from.wrapping_add((i + j) * width + lane));
            let to = rows.map(|row| row.wrapping_add(i));
            unsafe { S::transpose(&from, &to) }
        }
        for i in whole..columns {
            for (r, row) in rows.iter().enumerate().take(S::LANES) {
                unsafe { *row.add(i) = *from.add(i * width + lane + r) }
            }
        }
    }
}
