//! What the tiles of a product are made of: numbers, or pairs of them.

use std::marker::PhantomData;

use super::Simd;

/// How deep one step of a product goes: a number of f32, or a pair of bf16 side by side in its place.
///
/// # Safety
/// As for [`Simd`].
pub(crate) trait Operand: Copy {
    type Simd: Simd;
    /// A vector of lanes, as [`dot`](Self::dot) takes it.
    type Lanes: Copy;
    /// Numbers in a step.
    const DEPTH: usize;

    unsafe fn load(from: *const f32) -> Self::Lanes;
    /// `N` vectors side by side.
    #[inline(always)]
    unsafe fn load_each<const N: usize>(from: *const f32) -> [Self::Lanes; N] {
        unsafe {
            let mut lanes = [Self::load(from); N];
            let mut n = 1;
            while n < N {
                lanes[n] = Self::load(from.add(n * Self::Simd::LANES));
                n += 1;
            }
            lanes
        }
    }
    /// `sum + lanes · x` over a step, the same `x` for all lanes.
    unsafe fn dot(
        sum: <Self::Simd as Simd>::V,
        lanes: Self::Lanes,
        x: *const f32,
    ) -> <Self::Simd as Simd>::V;
    /// Makes steps of neighbouring rows of `[rows, columns]`, rows `step` numbers apart: where the
    /// `⌈rows / DEPTH⌉` rows of them lie, and how far apart. They are written to `to` if they
    /// aren't there already, `[⌈rows / DEPTH⌉, columns]`, what is missing in the last being zero;
    /// that may be `from`, where `step` is `columns`.
    unsafe fn along_rows(
        from: *const f32,
        step: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
    ) -> (*const f32, usize);
    /// Makes steps of neighbouring columns of `[rows, columns]`: as
    /// [`along_rows`](Self::along_rows), with `[rows, ⌈columns / DEPTH⌉]` in `to`.
    unsafe fn along_columns(
        from: *const f32,
        step: usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
    ) -> (*const f32, usize);
}

/// Numbers as they lie in memory.
#[derive(Clone, Copy)]
pub(crate) struct Whole<S>(PhantomData<S>);

impl<S: Simd> Operand for Whole<S> {
    type Simd = S;
    type Lanes = S::V;
    const DEPTH: usize = 1;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> S::V {
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn dot(sum: S::V, lanes: S::V, x: *const f32) -> S::V {
        unsafe { S::mul_add(S::splat(*x), lanes, sum) }
    }
    #[inline(always)]
    unsafe fn along_rows(
        from: *const f32,
        step: usize,
        _: usize,
        _: usize,
        _: *mut f32,
    ) -> (*const f32, usize) {
        (from, step)
    }
    #[inline(always)]
    unsafe fn along_columns(
        from: *const f32,
        step: usize,
        _: usize,
        _: usize,
        _: *mut f32,
    ) -> (*const f32, usize) {
        (from, step)
    }
}
