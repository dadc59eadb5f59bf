//! How a stored number becomes a lane.

use half::{bf16, f16};

use super::Simd;

/// A type that weights are stored in.
pub(crate) trait Element: Copy + Send + Sync {
    const ZERO: Self;

    /// The values themselves, if they need no widening.
    fn as_f32(_values: &[Self]) -> Option<&[f32]> {
        None
    }

    /// `LANES` values, widened.
    ///
    /// # Safety
    /// As for [`Simd`].
    unsafe fn load<S: Simd>(from: *const Self) -> S::V;

    /// The first `n` lanes, zeros in the others.
    ///
    /// # Safety
    /// As for [`Simd`]; `n` is at most `LANES`.
    #[inline(always)]
    unsafe fn load_first<S: Simd>(from: *const Self, n: usize) -> S::V {
        let mut lanes = [Self::ZERO; 16];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            Self::load::<S>(lanes.as_ptr())
        }
    }
}

impl Element for f32 {
    const ZERO: Self = 0.0;

    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        unsafe { S::load(from) }
    }
    #[inline(always)]
    unsafe fn load_first<S: Simd>(from: *const Self, n: usize) -> S::V {
        unsafe { S::load_first(from, n) }
    }
}

impl Element for f16 {
    const ZERO: Self = f16::ZERO;

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        unsafe { S::load_f16(from.cast()) }
    }
}

impl Element for bf16 {
    const ZERO: Self = bf16::ZERO;

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        unsafe { S::load_bf16(from.cast()) }
    }
}
