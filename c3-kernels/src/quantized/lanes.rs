//! Sixteen rows of weights side by side: what the panel's kernel does with them, at each path.

/// Sixteen lanes of whole numbers and of f32.
///
/// # Safety
/// The functions may be called only where the instructions are. Pointers must be valid for what is
/// read or written; they need no alignment.
pub(super) trait Lanes {
    /// Four weights for each lane.
    type W: Copy;
    /// A whole number for each lane.
    type I: Copy;
    /// A float for each lane.
    type F: Copy;
    /// Rows of x that are multiplied together.
    const ROWS: usize;
    /// Whether weights of all 8 bits are taken as signed, so that nothing need be taken off them.
    const SIGNED: bool;

    /// `[16][4]` bytes.
    unsafe fn weights(at: *const u8) -> Self::W;
    unsafe fn ints(x: i32) -> Self::I;
    /// `sum` plus the dot products with the four values at `x`. `WIDE`: weights may pass 127.
    unsafe fn dot<const WIDE: bool>(sum: Self::I, w: Self::W, x: *const i8) -> Self::I;
    unsafe fn floats(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    /// `acc + (sum · scale) · d`
    unsafe fn scaled(acc: Self::F, sum: Self::I, scale: Self::F, d: f32) -> Self::F;
    /// `acc − min · s`
    unsafe fn minus(acc: Self::F, min: Self::F, s: f32) -> Self::F;
    unsafe fn store(to: *mut f32, v: Self::F);
}

/// Plain Rust.
pub(super) struct PortableLanes;

impl Lanes for PortableLanes {
    type W = [[u8; 4]; 16];
    type I = [i32; 16];
    type F = [f32; 16];
    const ROWS: usize = 2;
    const SIGNED: bool = false;

    #[inline(always)]
    unsafe fn weights(at: *const u8) -> Self::W {
        unsafe { at.cast::<Self::W>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn ints(x: i32) -> Self::I {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn dot<const WIDE: bool>(mut sum: Self::I, w: Self::W, x: *const i8) -> Self::I {
        let x = unsafe { x.cast::<[i8; 4]>().read_unaligned() }.map(i32::from);
        for (sum, w) in sum.iter_mut().zip(&w) {
            for j in 0..4 {
                *sum += i32::from(w[j]) * x[j];
            }
        }
        sum
    }
    #[inline(always)]
    unsafe fn floats(x: f32) -> Self::F {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn scaled(mut acc: Self::F, sum: Self::I, scale: Self::F, d: f32) -> Self::F {
        for i in 0..16 {
            acc[i] += sum[i] as f32 * scale[i] * d;
        }
        acc
    }
    #[inline(always)]
    unsafe fn minus(mut acc: Self::F, min: Self::F, s: f32) -> Self::F {
        for i in 0..16 {
            acc[i] -= min[i] * s;
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::F) {
        unsafe { to.cast::<Self::F>().write_unaligned(v) }
    }
}
