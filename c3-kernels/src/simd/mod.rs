//! One vector of f32 at each [`Level`](crate::Level), and what the kernels do with it.
//!
//! Kernels are written once, generic over [`Simd`], in `#[inline(always)]` functions. Each is
//! instantiated inside a function that carries the level's `#[target_feature]`, where everything
//! inlines into straight vector code. Closures around instructions would not reliably inline (they
//! carry no target features), so vectors are never made in `array::from_fn`, `map` or `fold`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
mod exp2;
mod operand;
mod pairs;
mod portable;
mod scratch;
mod tile;
mod transpose;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use element::Element;
pub(crate) use exp2::exp2;
pub(crate) use operand::{Operand, Whole};
#[cfg(target_arch = "x86_64")]
pub(crate) use pairs::Avx512Pairs;
pub(crate) use pairs::{ModelPairs, Pair, bf16_bits, pair_of};
pub(crate) use portable::Portable;
pub(crate) use scratch::{Scratch, with_scratch};
pub(crate) use tile::{TILE_VECTORS, multiply, tile};
pub(crate) use transpose::{from_lanes, to_lanes};

/// Vectors of f32 at one level.
///
/// # Safety
/// The functions may be called only on a machine that has the level's instructions. Pointers must
/// be valid for the lanes that are read or written; they need no alignment.
pub(crate) trait Simd: Copy {
    /// `LANES` values.
    type V: Copy;
    /// Values in a vector; 16 at most.
    const LANES: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    /// `N` vectors, `step` values from one to the next.
    #[inline(always)]
    unsafe fn load_each<const N: usize>(from: *const f32, step: usize) -> [Self::V; N] {
        unsafe {
            let mut vectors = [Self::splat(0.0); N];
            let mut i = 0;
            while i < N {
                vectors[i] = Self::load(from.add(i * step));
                i += 1;
            }
            vectors
        }
    }
    /// The first `n` lanes from memory, zeros in the others.
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V;
    /// Widens IEEE half-precision floats, given as their bits.
    unsafe fn load_f16(from: *const u16) -> Self::V;
    /// Widens bfloat16, given as their bits.
    unsafe fn load_bf16(from: *const u16) -> Self::V;
    /// Widens `LANES` pairs of bfloat16: the first of each pair, and the second.
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self::V; 2];
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Only the first `n` lanes.
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, with one rounding where the level has FMA.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; `b` if either is NaN, as the x86 instruction has it.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `x` where `a < b`, else `y`.
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// Adds the integer in the low bits of `shift`'s representation to `v`'s exponent field.
    unsafe fn add_exponent(v: Self::V, shift: Self::V) -> Self::V;
    /// Copies a square of `LANES` rows and columns, transposed; each pointer is a row.
    unsafe fn transpose(from: &[*const f32; 16], to: &[*mut f32; 16]);
    /// Asks for the cache line at `at`, which may be any address.
    #[inline(always)]
    fn prefetch(_at: *const f32) {}
    /// The sum of all lanes, in an order that depends on the level alone.
    unsafe fn sum(v: Self::V) -> f32;
    /// The largest lane.
    unsafe fn largest(v: Self::V) -> f32;
}
