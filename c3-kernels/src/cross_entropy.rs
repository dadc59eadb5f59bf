//! The cross entropy of a language model's head, without all of its logits in memory.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::factor::Factor;
use crate::linear::Arithmetic;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd, exp2};
use crate::{Activations, Error, Level, check, on_device};

const OP: &str = "cross_entropy";

/// Logits that are in memory at a time: 16 MB.
const LOGITS: usize = 1 << 22;

/// The mean over rows of `−ln softmax(x wᵀ)[target]`.
///
/// `x` is f32 `[rows, k]`, `w` f32 `[n, k]`, both contiguous; there is a target below `n` for each
/// row. The result is a scalar. Logits are computed for some rows at a time; where a gradient may be
/// asked for, theirs are made from them at once, so that they are computed a single time. With
/// [`Activations::Bf16`], products round their operands to bf16 where that is faster. On another device
/// it is made of candle's operations, with all logits in memory and nothing rounded.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, there are no rows, or the device fails.
pub fn cross_entropy(
    x: &Tensor,
    w: &Tensor,
    targets: &[u32],
    activations: Activations,
) -> candle_core::Result<Tensor> {
    check::dtype(OP, "x", x, "F32", &[DType::F32])?;
    check::dtype(OP, "w", w, "F32", &[DType::F32])?;
    if !x.device().is_cpu() {
        check_sizes(x.layout(), w.layout(), targets)?;
        return on_device::cross_entropy(x, w, targets);
    }
    let trained = x.track_op() || w.track_op();
    let arithmetic = Arithmetic::detect(activations);
    let op = Op { targets: targets.to_vec(), trained, arithmetic, gradients: OnceLock::new() };
    x.apply_op2(w, op)
}

struct Op {
    targets: Vec<u32>,
    trained: bool,
    arithmetic: Arithmetic,
    /// Of x and w, where the result's is 1.
    gradients: OnceLock<[Tensor; 2]>,
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let [rows, n, k] = check_sizes(x_layout, w_layout, &self.targets)?;
        let x = check::contiguous(OP, "x", x.as_slice::<f32>()?, x_layout)?;
        let w = check::contiguous(OP, "w", w.as_slice::<f32>()?, w_layout)?;
        let level = Level::detect();
        let (mut dx, mut dw) = (Vec::new(), Vec::new());
        let w = Factor::new(w, [n, k]);
        let arithmetic = self.arithmetic;
        let turned = self.trained.then(|| arithmetic.ready(w.turned())).transpose()?;
        let w = arithmetic.ready(w)?;
        let share = (rows as f32).recip();
        let mut total = 0f64;
        let step = (LOGITS / n).max(1);
        for (x, targets) in x.chunks(step * k.max(1)).zip(self.targets.chunks(step)) {
            let part = targets.len();
            let x = Factor::new(x, [part, k]);
            // SAFETY: the machine has the arithmetic.
            let mut logits = unsafe { arithmetic.product(x, &w, None) };
            let losses: Vec<f64> = (logits.par_chunks_mut(n).zip(targets))
                .map(|(logits, &target)| {
                    // SAFETY: the machine has the level that was detected.
                    unsafe { row(level, logits, target as usize, self.trained.then_some(share)) }
                })
                .collect();
            total += losses.iter().sum::<f64>();
            if let Some(turned) = &turned {
                let logits = Factor::new(&logits, [part, n]);
                let x = arithmetic.ready(x.turned())?;
                // SAFETY: as above; the parts of dw have one size.
                unsafe {
                    dx.extend(arithmetic.product(logits, turned, None));
                    match dw.is_empty() {
                        true => dw = arithmetic.product(logits.turned(), &x, None),
                        false => arithmetic.add_product(logits.turned(), &x, &mut dw),
                    }
                }
            }
        }
        if self.trained {
            // Computed once for each op: nothing can be there yet.
            let of = |values: Vec<f32>, layout: &Layout| {
                Tensor::from_vec(values, layout.shape(), &Device::Cpu)
            };
            let _ = self.gradients.set([of(dx, x_layout)?, of(dw, w_layout)?]);
        }
        Ok((CpuStorage::F32(vec![(total / rows as f64) as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let factor = f64::from(grad.to_scalar::<f32>()?);
        let Some([dx, dw]) = self.gradients.get() else { return Ok((None, None)) };
        // Where the loss is what is derived they are what is asked for.
        let of = |gradient: &Tensor| match factor == 1.0 {
            true => Ok(gradient.clone()),
            false => gradient.affine(factor, 0.0),
        };
        Ok((Some(of(dx)?), Some(of(dw)?)))
    }
}

/// Rows, n and k.
fn check_sizes(x: &Layout, w: &Layout, targets: &[u32]) -> Result<[usize; 3], Error> {
    let (&[rows, k], &[n, _]) = (x.dims(), w.dims()) else {
        let (expected, found) = ("[rows, k], and w [n, k]", x.dims().to_vec());
        return Err(Error::Rank { op: OP, name: "x", expected, found });
    };
    if w.dims() != [n, k] {
        let (expected, found) = (vec![n, k], w.dims().to_vec());
        return Err(Error::Shape { op: OP, name: "w", expected, found });
    }
    if targets.len() != rows || rows == 0 {
        let (expected, found) = (rows.max(1), targets.len());
        return Err(Error::Length { op: OP, name: "targets", expected, found });
    }
    match targets.iter().find(|&&target| target as usize >= n) {
        Some(&target) => Err(Error::Row { row: target as usize, rows: n }),
        None => Ok([rows, n, k]),
    }
}

/// The loss of a row of logits; with `share`, they become `share · (softmax − target)`.
///
/// # Safety
/// The machine must have the level.
unsafe fn row(level: Level, logits: &mut [f32], target: usize, share: Option<f32>) -> f64 {
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => row_avx512(logits, target, share),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => row_avx2(logits, target, share),
            _ => softmax::<Portable>(logits, target, share),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn row_avx512(logits: &mut [f32], target: usize, share: Option<f32>) -> f64 {
    unsafe { softmax::<Avx512>(logits, target, share) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn row_avx2(logits: &mut [f32], target: usize, share: Option<f32>) -> f64 {
    unsafe { softmax::<Avx2>(logits, target, share) }
}

#[inline(always)]
unsafe fn softmax<S: Simd>(logits: &mut [f32], target: usize, share: Option<f32>) -> f64 {
    let (n, at) = (logits.len(), logits.as_mut_ptr());
    let own = f64::from(logits[target]);
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    unsafe {
        let (max, log2e) = (S::splat(largest), S::splat(std::f32::consts::LOG2_E));
        let weight = |x: S::V| exp2::<S>(S::mul(S::sub(x, max), log2e));
        let mut sums = S::splat(0.0);
        let whole = n - n % S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            let weight = weight(S::load(at.add(i)));
            sums = S::add(sums, weight);
            S::store(at.add(i), weight);
        }
        let mut sum = S::sum(sums);
        for logit in &mut logits[whole..] {
            *logit = (*logit - largest).exp();
            sum += *logit;
        }
        if let Some(share) = share {
            let factor = share / sum;
            logits.iter_mut().for_each(|weight| *weight *= factor);
            logits[target] -= share;
        }
        f64::from(sum).ln() + f64::from(largest) - own
    }
}
