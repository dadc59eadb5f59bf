//! The way for many rows: weights are widened a panel at a time, and the `gemm` crate multiplies.

use super::Strip;
use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Element, Portable, Scratch, Simd};

/// Values of a widened panel: 2 MB, the L2 cache of a core.
const PANEL_VALUES: usize = 1 << 19;

/// Rows of the weights in a panel.
pub(super) fn columns(k: usize) -> usize {
    (PANEL_VALUES / k.max(1)).clamp(16, 512)
}

/// Computes a strip of any number of rows.
///
/// # Safety
/// The machine must have the level; the strip must be as [`Strip`] says.
pub(super) unsafe fn panel<E: Element>(level: Level, s: &Strip<'_, E>, scratch: &mut Scratch) {
    let w = match E::as_f32(s.w) {
        Some(w) => w,
        None => {
            let [wide] = scratch.split([s.w.len()]);
            // SAFETY: the caller promises the level.
            unsafe { widen(level, s.w, wide) };
            wide
        }
    };
    let (k, out_step) = (s.k as isize, s.out_step as isize);
    // SAFETY: the strides describe the strip's own matrices: out [rows, count] is x [rows, k]
    // times the transpose of w [count, k].
    unsafe {
        gemm::gemm(
            s.rows,
            s.count,
            s.k,
            s.out,
            1,
            out_step,
            false,
            s.x.as_ptr(),
            1,
            k,
            w.as_ptr(),
            k,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
        if let Some(bias) = s.bias {
            for row in 0..s.rows {
                let out = std::slice::from_raw_parts_mut(s.out.add(row * s.out_step), s.count);
                out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
            }
        }
    }
}

/// Widens `from` into the beginning of `to`.
///
/// # Safety
/// The machine must have the level.
unsafe fn widen<E: Element>(level: Level, from: &[E], to: &mut [f32]) {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => widen_avx512(from, to),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => widen_avx2(from, to),
            _ => widen_at::<Portable, E>(from, to),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn widen_avx512<E: Element>(from: &[E], to: &mut [f32]) {
    unsafe { widen_at::<Avx512, E>(from, to) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn widen_avx2<E: Element>(from: &[E], to: &mut [f32]) {
    unsafe { widen_at::<Avx2, E>(from, to) }
}

#[inline(always)]
unsafe fn widen_at<S: Simd, E: Element>(from: &[E], to: &mut [f32]) {
    let (whole, rest) = from.as_chunks::<16>();
    let (to_whole, to_rest) = to[..from.len()].as_chunks_mut::<16>();
    unsafe {
        for (from, to) in whole.iter().zip(to_whole) {
            for i in (0..16).step_by(S::LANES) {
                S::store(to.as_mut_ptr().add(i), E::load::<S>(from.as_ptr().add(i)));
            }
        }
        for i in (0..rest.len()).step_by(S::LANES) {
            let n = (rest.len() - i).min(S::LANES);
            let wide = E::load_first::<S>(rest.as_ptr().add(i), n);
            S::store_first(to_rest.as_mut_ptr().add(i), wide, n);
        }
    }
}
