//! x as whole numbers: 8 bits each, one scale for the weights' block.
//!
//! As llama.cpp does it for the same weights: 32 values share a scale where the weights' blocks
//! are of 32, 256 where they are of 256. Scales stay f32 (llama.cpp rounds those of 32 values to
//! f16, which loses small values and gains nothing here).

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::Path;

/// `[rows, k]` values in 8 bits: `x ≈ scale · q`, `|q| ≤ 127`.
pub(super) struct Activations {
    pub(super) q: Vec<i8>, // [rows, k]
    /// For each group of values, though neighbours may share it: `[rows, groups]`.
    pub(super) scales: Vec<f32>,
    /// Sums of each group's `q`.
    pub(super) sums: Vec<i32>, // [rows, groups]
    pub(super) k: usize,
    pub(super) groups: usize, // of a row
}

/// One row of [`Activations`].
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) q: &'a [i8],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [i32],
}

impl Activations {
    /// Rounds `x`, `[rows, k]`; `group` divides `block`, and `block` divides `k`, which is not 0.
    pub(super) fn new(
        path: super::Path,
        x: &[f32],
        [rows, k]: [usize; 2],
        [block, group]: [usize; 2],
        threads: bool,
    ) -> Self {
        let groups = k / group;
        let (mut q, mut scales) = (vec![0; rows * k], vec![0.0; rows * groups]);
        let mut sums = vec![0; rows * groups];
        type Row<'a> = ((&'a [f32], &'a mut [i8]), (&'a mut [f32], &'a mut [i32]));
        let round = |((x, q), (scales, sums)): Row<'_>| {
            match path {
                // SAFETY: whoever has the path has its instructions.
                #[cfg(target_arch = "x86_64")]
                Path::Vnni => unsafe { row_avx512(x, q, scales, sums, block, group) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Path::Avx2 => unsafe { row_avx2(x, q, scales, sums, block, group) },
                _ => row(x, q, scales, sums, block, group),
            }
        };
        if threads && rows > 1 {
            let parts = scales.par_chunks_exact_mut(groups).zip(sums.par_chunks_exact_mut(groups));
            x.par_chunks_exact(k).zip(q.par_chunks_exact_mut(k)).zip(parts).for_each(round);
        } else {
            let parts = scales.chunks_exact_mut(groups).zip(sums.chunks_exact_mut(groups));
            x.chunks_exact(k).zip(q.chunks_exact_mut(k)).zip(parts).for_each(round);
        }
        Self { q, scales, sums, k, groups }
    }

    /// Row `r`.
    #[inline(always)]
    pub(super) fn row(&self, r: usize) -> Row<'_> {
        let groups = r * self.groups..(r + 1) * self.groups;
        Row {
            q: &self.q[r * self.k..(r + 1) * self.k],
            scales: &self.scales[groups.clone()],
            sums: &self.sums[groups],
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
unsafe fn row_avx512(
    x: &[f32],
    q: &mut [i8],
    scales: &mut [f32],
    sums: &mut [i32],
    block: usize,
    group: usize,
) {
    row(x, q, scales, sums, block, group);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_avx2(
    x: &[f32],
    q: &mut [i8],
    scales: &mut [f32],
    sums: &mut [i32],
    block: usize,
    group: usize,
) {
    row(x, q, scales, sums, block, group);
}

#[inline(always)]
fn row(x: &[f32], q: &mut [i8], scales: &mut [f32], sums: &mut [i32], block: usize, group: usize) {
    let of_block = block / group;
    let blocks = x.chunks_exact(block).zip(q.chunks_exact_mut(block));
    let scales = scales.chunks_exact_mut(of_block).zip(sums.chunks_exact_mut(of_block));
    for ((x, q), (scales, sums)) in blocks.zip(scales) {
        // Eight at a time, for the compiler keeps the order of a sum.
        let (mut largest, mut poison) = ([0f32; 8], [0f32; 8]);
        for x in x.chunks_exact(8) {
            for i in 0..8 {
                largest[i] = largest[i].max(x[i].abs());
                poison[i] += x[i] * 0.0;
            }
        }
        let largest = largest.into_iter().fold(0f32, f32::max);
        // What is no number must not become one: a NaN here makes the row's results NaN.
        let poison: f32 = poison.into_iter().sum();
        let inverse = if largest > 0.0 { (127.0 / largest).min(f32::MAX) } else { 0.0 };
        for (x, q) in x.iter().zip(q.iter_mut()) {
            // 1.5 · 2^23: in the sum the last bit of the fraction is worth 1, so adding rounds to
            // the nearest whole number, ties to even, without a call.
            let rounded = (x * inverse + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
            *q = rounded as i8;
        }
        scales.fill(largest / 127.0 + poison);
        for (q, sum) in q.chunks_exact(group).zip(sums) {
            *sum = q.iter().map(|&q| i32::from(q)).sum();
        }
    }
}
