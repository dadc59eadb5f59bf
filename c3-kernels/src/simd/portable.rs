//! Four lanes in plain Rust, which the compiler vectorises.

use super::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 4;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    // Written out: loops over lanes are vectorised less reliably.
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

/// Shifts exponent and fraction into place and corrects the exponent's bias with a product, which
/// also makes the subnormals right. No branch, so that it vectorises.
#[inline(always)]
fn widen_f16(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let magnitude = (bits & 0x7fff) << 13;
    // 2^112: the difference of the biases, 127 − 15.
    let finite = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = magnitude | 0x7f80_0000;
    let wide = if bits & 0x7c00 == 0x7c00 { special } else { finite };
    f32::from_bits(wide | (bits & 0x8000) << 16)
}

impl Simd for Portable {
    type V = [f32; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V {
        std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self::V {
        std::array::from_fn(|i| unsafe { widen_f16(*from.add(i)) })
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::V {
        std::array::from_fn(|i| unsafe { f32::from_bits(u32::from(*from.add(i)) << 16) })
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self::V; 2] {
        let wide = |i: usize| unsafe { f32::from_bits(u32::from(*from.add(i)) << 16) };
        [std::array::from_fn(|i| wide(2 * i)), std::array::from_fn(|i| wide(2 * i + 1))]
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize) {
        for (i, &x) in v.iter().enumerate().take(n) {
            unsafe { *to.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction, `f32::mul_add` is a slow library call.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            let product = |i: usize| a[i].mul_add(b[i], c[i]);
            [product(0), product(1), product(2), product(3)]
        } else {
            zip(zip(a, b, |a, b| a * b), c, |product, c| product + c)
        }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] < b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn add_exponent(v: Self::V, shift: Self::V) -> Self::V {
        zip(v, shift, |v, s| f32::from_bits(v.to_bits().wrapping_add(s.to_bits() << 23)))
    }
    #[inline(always)]
    unsafe fn transpose(from: &[*const f32; 16], to: &[*mut f32; 16]) {
        unsafe {
            let rows: [Self::V; LANES] = std::array::from_fn(|i| Self::load(from[i]));
            for (i, &to) in to.iter().enumerate().take(LANES) {
                Self::store(to, rows.map(|row| row[i]));
            }
        }
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }
    #[inline(always)]
    unsafe fn largest(v: Self::V) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::widen_f16;

    #[test]
    fn every_f16_widens_exactly() {
        for bits in 0..=u16::MAX {
            let (found, right) = (widen_f16(bits), f16::from_bits(bits).to_f32());
            assert!(found.to_bits() == right.to_bits() || found.is_nan() && right.is_nan());
        }
    }
}
