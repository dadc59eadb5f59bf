//! The gradient of the gate.

use rayon::prelude::*;

use super::WORTH_THREADS;
use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd, exp2};

/// The gradient of x, `[rows, 2 · width]`, given the result's, `[rows, width]`: with `s = σ(gate)`,
/// `up · s · (1 + gate · (1 − s))` and `gate · s`, each times the result's.
///
/// # Safety
/// The machine must have the level, and `grad` half as many values as `x`.
pub(super) unsafe fn gradient(level: Level, x: &[f32], grad: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0f32; x.len()];
    if width == 0 {
        return out;
    }
    let row = |((x, grad), out): ((&[f32], &[f32]), &mut [f32])| {
        let (gate, up) = x.split_at(width);
        let (d_gate, d_up) = out.split_at_mut(width);
        // SAFETY: as the caller promises; all have `width` values.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => avx512(gate, up, grad, d_gate, d_up),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => avx2(gate, up, grad, d_gate, d_up),
                _ => gradients::<Portable>(gate, up, grad, d_gate, d_up),
            }
        }
    };
    match x.len() >= WORTH_THREADS {
        true => (x.par_chunks(2 * width))
            .zip(grad.par_chunks(width))
            .zip(out.par_chunks_mut(2 * width))
            .for_each(row),
        false => {
            x.chunks(2 * width).zip(grad.chunks(width)).zip(out.chunks_mut(2 * width)).for_each(row)
        }
    }
    out
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(gate: &[f32], up: &[f32], grad: &[f32], d_gate: &mut [f32], d_up: &mut [f32]) {
    unsafe { gradients::<Avx512>(gate, up, grad, d_gate, d_up) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2(gate: &[f32], up: &[f32], grad: &[f32], d_gate: &mut [f32], d_up: &mut [f32]) {
    unsafe { gradients::<Avx2>(gate, up, grad, d_gate, d_up) }
}

#[inline(always)]
unsafe fn gradients<S: Simd>(
    gate: &[f32],
    up: &[f32],
    grad: &[f32],
    d_gate: &mut [f32],
    d_up: &mut [f32],
) {
    unsafe {
        let one = S::splat(1.0);
        for i in (0..grad.len()).step_by(S::LANES) {
            let n = (grad.len() - i).min(S::LANES);
            let [g, u, d] = [gate, up, grad].map(|from| from.as_ptr().wrapping_add(i));
            let (g, u, d) = (S::load_first(g, n), S::load_first(u, n), S::load_first(d, n));
            let exponent = S::mul(g, S::splat(-std::f32::consts::LOG2_E));
            // Beyond 126 the exponential would leave the range of f32; σ is next to zero.
            let e = exp2::<S>(S::sub(
                S::splat(0.0),
                S::max(S::splat(-126.0), S::sub(S::splat(0.0), exponent)),
            ));
            let s = S::div(one, S::add(one, e));
            let slope = S::mul(s, S::mul_add(g, S::sub(one, s), one));
            S::store_first(d_gate.as_mut_ptr().add(i), S::mul(S::mul(d, u), slope), n);
            S::store_first(d_up.as_mut_ptr().add(i), S::mul(d, S::mul(g, s)), n);
        }
    }
}
