//! The gate of a SwiGLU feed-forward network, in one pass over its input.

mod gradient;

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Device, Layout, MetalStorage, Shape, Tensor,
};
use rayon::prelude::*;

use crate::error::result_size;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd, exp2};
use crate::values::Values;
use crate::{Error, Level, check, cuda, on_device};

const OP: &str = "swiglu";

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// `silu(gate) · up`, where gate and up lie side by side (Shazeer 2020, arXiv 2002.05202).
///
/// `x` is f32, or on CUDA f32, f16 or bf16, `[.., 2 · width]`, contiguous; the result is `[.., width]` of
/// x's type. `silu(g)` is
/// `g / (1 + e^−g)`; its relative error is below `2e-7 · (1 + |g|)`.
///
/// # Errors
/// If the last dimension is odd, or dtype, layout or device are not as above.
pub fn swiglu(x: &Tensor) -> candle_core::Result<Tensor> {
    swiglu_with(Level::detect(), x)
}

/// [`swiglu`] at a level of one's choice.
///
/// # Errors
/// As [`swiglu`], and if the machine doesn't have the level.
pub fn swiglu_with(level: Level, x: &Tensor) -> candle_core::Result<Tensor> {
    if !level.is_available() {
        return Err(Error::Level { level }.into());
    }
    check::float(OP, "x", x)?;
    x.apply_op1(Op { level })
}

struct Op {
    level: Level,
}

impl CustomOp1 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (shape, width) = check_shape(layout)?;
        let mut out = vec![0f32; result_size(OP, &shape)?];
        let x = check::contiguous(OP, "x", x.as_slice::<f32>()?, layout)?;
        if width > 0 {
            let row = |(x, out): (&[f32], &mut [f32])| {
                let (gate, up) = x.split_at(width);
                // SAFETY: `swiglu_with` checked the level.
                unsafe { gated(self.level, gate, up, out) }
            };
            if x.len() >= WORTH_THREADS {
                x.par_chunks(2 * width).zip(out.par_chunks_mut(width)).for_each(row);
            } else {
                x.chunks(2 * width).zip(out.chunks_mut(width)).for_each(row);
            }
        }
        Ok((CpuStorage::F32(out), Shape::from(shape)))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        if !x.device().is_cpu() {
            return Ok(Some(on_device::swiglu_gradient(x, grad)?));
        }
        let width = x.dims().last().map_or(0, |last| last / 2);
        let (x, grad) = (x.contiguous()?, grad.contiguous()?);
        let (of_x, of_grad) = (Values::of(OP, "x", &x)?, Values::of(OP, "the gradient", &grad)?);
        // SAFETY: `swiglu_with` checked the level, the forward pass the sizes.
        let dx = unsafe { gradient::gradient(self.level, &of_x, &of_grad, width) };
        Ok(Some(Tensor::from_vec(dx, x.shape(), &Device::Cpu)?))
    }
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let (shape, width) = check_shape(layout)?;
        let rows = result_size(OP, &shape)? / width.max(1);
        check::contiguous_offsets(OP, "x", layout)?;
        let out = cuda::swiglu_on_device((x, layout), rows, width)?;
        Ok((out, Shape::from(shape)))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        check::refused(OP, "Metal")
    }
}

/// The result's shape and its last dimension.
fn check_shape(x: &Layout) -> Result<(Vec<usize>, usize), Error> {
    let split = x.dims().split_last().filter(|(last, _)| last.is_multiple_of(2));
    let Some((&last, outer)) = split else {
        let (expected, found) = ("[.., 2 · width]", x.dims().to_vec());
        return Err(Error::Rank { op: OP, name: "x", expected, found });
    };
    Ok(([outer, &[last / 2]].concat(), last / 2))
}

/// # Safety
/// The machine must have the level.
unsafe fn gated(level: Level, gate: &[f32], up: &[f32], out: &mut [f32]) {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512(gate, up, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(gate, up, out),
            _ => row::<Portable>(gate, up, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(gate: &[f32], up: &[f32], out: &mut [f32]) {
    unsafe { row::<Avx512>(gate, up, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2(gate: &[f32], up: &[f32], out: &mut [f32]) {
    unsafe { row::<Avx2>(gate, up, out) }
}

#[inline(always)]
unsafe fn row<S: Simd>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    let whole = out.len() - out.len() % S::LANES;
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            let (g, u) = (S::load(gate.as_ptr().add(i)), S::load(up.as_ptr().add(i)));
            S::store(out.as_mut_ptr().add(i), one::<S>(g, u));
        }
        let rest = out.len() - whole;
        if rest > 0 {
            let g = S::load_first(gate.as_ptr().add(whole), rest);
            let u = S::load_first(up.as_ptr().add(whole), rest);
            S::store_first(out.as_mut_ptr().add(whole), one::<S>(g, u), rest);
        }
    }
}

#[inline(always)]
unsafe fn one<S: Simd>(gate: S::V, up: S::V) -> S::V {
    unsafe {
        // Below −126 the exponential would leave the range of f32; the product is next to zero.
        let exponent = S::max(S::splat(-126.0), S::mul(gate, S::splat(std::f32::consts::LOG2_E)));
        let e = exp2::<S>(S::sub(S::splat(0.0), exponent));
        S::div(S::mul(gate, up), S::add(S::splat(1.0), e))
    }
}
