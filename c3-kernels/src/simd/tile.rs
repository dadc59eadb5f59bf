//! The tile that both attention and linear layers are made of.

use super::{Operand, Simd, Whole};

/// Vectors of lanes in a tile, at most. With 8 rows (AVX-512) or 4, that is 24 or 12 sums in
/// registers.
pub(crate) const TILE_VECTORS: usize = 3;

/// `C[m, lane] = Σ_i a[m][i] · B[i, lane]`, for `M` rows and `N` vectors of lanes.
///
/// The elements of A are broadcast from where they lie; `b` is `[depth, N · LANES]` and `c` is
/// `[M, N · LANES]`; `depth` counts the operand's steps. With `add`, C is added to what `c` holds.
/// `ahead` is called with each `i` and may prefetch.
///
/// # Safety
/// As for [`Simd`]; each row of A has `depth` steps.
#[inline(always)]
pub(crate) unsafe fn tile<O: Operand, const M: usize, const N: usize>(
    a: [*const f32; M],
    b: *const f32,
    depth: usize,
    c: *mut f32,
    add: bool,
    ahead: impl Fn(usize),
) {
    type S<O> = <O as Operand>::Simd;
    let lanes = S::<O>::LANES;
    unsafe {
        let mut sums = [[S::<O>::splat(0.0); N]; M];
        for i in 0..depth {
            ahead(i);
            let b = O::load_each::<N>(b.add(i * N * lanes));
            for m in 0..M {
                for n in 0..N {
                    sums[m][n] = O::dot(sums[m][n], b[n], a[m].add(i));
                }
            }
        }
        // Added at the end: many short sums are more exact than a long one.
        if add {
            for (m, sums) in sums.iter_mut().enumerate() {
                let before = S::<O>::load_each::<N>(c.add(m * N * lanes), lanes);
                for n in 0..N {
                    sums[n] = S::<O>::add(before[n], sums[n]);
                }
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            for (n, &sum) in sums.iter().enumerate() {
                S::<O>::store(c.add((m * N + n) * lanes), sum);
            }
        }
    }
}

/// Adds the products of `count` rows of A, `step` values apart, and B, `[depth, width]`, to C,
/// `[count, width]`, whose last group of `M` rows must be complete. `width` is at most
/// [`TILE_VECTORS`] vectors.
///
/// # Safety
/// As for [`Simd`]; each row of A has `depth` values.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, const M: usize>(
    (a, step): (*const f32, usize),
    count: usize,
    depth: usize,
    (b, width): (*const f32, usize),
    c: *mut f32,
) {
    for row in (0..count).step_by(M) {
        let a: [*const f32; M] =
            std::array::from_fn(|m| a.wrapping_add((row + m).min(count - 1) * step));
        let c = c.wrapping_add(row * width);
        unsafe {
            match width / S::LANES {
                1 => tile::<Whole<S>, M, 1>(a, b, depth, c, true, |_| {}),
                2 => tile::<Whole<S>, M, 2>(a, b, depth, c, true, |_| {}),
                _ => tile::<Whole<S>, M, TILE_VECTORS>(a, b, depth, c, true, |_| {}),
            }
        }
    }
}
