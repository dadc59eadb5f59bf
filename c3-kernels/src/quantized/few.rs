//! Few rows of x, at each path: which of the kernels of [`direct`](super::direct) runs.

use super::activations::Row;
use super::direct::{Bytes, Direct, FourOrFive, Maddubs, Q4_0, Q5_0, Q6K, Q8_0, Symmetric, Vnni};
use super::{BlockType, Job, Path};

/// Rows of x up to which a row of weights is multiplied directly.
pub(super) const MAX_ROWS: usize = 4;

/// Whether there is a kernel for this type on this path.
pub(super) fn exists(path: Path, kind: BlockType) -> bool {
    use BlockType::{Q4_0, Q4K, Q5_0, Q5K, Q6K, Q8_0};
    path != Path::Portable && matches!(kind, Q4_0 | Q4K | Q5_0 | Q5K | Q6K | Q8_0)
}

/// Computes the outputs of weight rows `first..end` for all rows of x.
///
/// # Safety
/// The path's instructions must be there; `job`'s slices must have the sizes it says; nobody else
/// may write these columns. There must be a kernel, and at most [`MAX_ROWS`] rows.
pub(super) unsafe fn rows(job: &Job, first: usize, end: usize) {
    unsafe {
        match (job.path, job.rows) {
            (Path::Vnni, 1) => vnni::<1>(job, first, end),
            (Path::Vnni, 2) => vnni::<2>(job, first, end),
            (Path::Vnni, 3) => vnni::<3>(job, first, end),
            (Path::Vnni, _) => vnni::<4>(job, first, end),
            (_, 1) => avx2::<1>(job, first, end),
            (_, 2) => avx2::<2>(job, first, end),
            (_, 3) => avx2::<3>(job, first, end),
            (_, _) => avx2::<4>(job, first, end),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn vnni<const M: usize>(job: &Job, first: usize, end: usize) {
    unsafe { of_type::<Vnni, M>(job, first, end) }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<const M: usize>(job: &Job, first: usize, end: usize) {
    unsafe { of_type::<Maddubs, M>(job, first, end) }
}

#[inline(always)]
unsafe fn of_type<B: Bytes, const M: usize>(job: &Job, first: usize, end: usize) {
    unsafe {
        match job.kind {
            BlockType::Q4K => columns::<FourOrFive<false>, B, M>(job, first, end),
            BlockType::Q5K => columns::<FourOrFive<true>, B, M>(job, first, end),
            BlockType::Q6K => columns::<Q6K, B, M>(job, first, end),
            BlockType::Q4_0 => columns::<Symmetric<Q4_0>, B, M>(job, first, end),
            BlockType::Q5_0 => columns::<Symmetric<Q5_0>, B, M>(job, first, end),
            _ => columns::<Symmetric<Q8_0>, B, M>(job, first, end),
        }
    }
}

#[inline(always)]
unsafe fn columns<D: Direct, B: Bytes, const M: usize>(job: &Job, first: usize, end: usize) {
    let mut x = [job.x.row(0); M];
    for (m, row) in x.iter_mut().enumerate() {
        *row = job.x.row(m);
    }
    let x: &[Row; M] = &x;
    for column in first..end {
        let w = &job.w[column * job.row_bytes..(column + 1) * job.row_bytes];
        let bias = job.bias.map_or(0.0, |bias| bias[column]);
        // SAFETY: the caller's promise; the column is this task's.
        unsafe {
            let out = D::dot::<B, M>(w, x);
            for (m, value) in out.iter().enumerate() {
                job.out.at(m * job.n + column).write(value + bias);
            }
        }
    }
}
