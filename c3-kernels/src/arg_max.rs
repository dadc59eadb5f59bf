//! The largest of each row, which is all that greedy decoding wants of its logits.

use candle_core::{Device, Storage, Tensor};
use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};
use crate::{Error, Level, check, cuda};

const OP: &str = "arg_max";

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// The largest value of each row of `x`, f32 or on CUDA f32, f16 or bf16, `[rows, n]`, and where it
/// stands: of equals the first.
/// NaN is never the largest; a row of nothing else, or of −∞ alone, gives −∞ at 0.
///
/// # Errors
/// If `x` is of another shape, dtype or layout, or on a device without kernels.
pub fn arg_max(x: &Tensor) -> candle_core::Result<Vec<(f32, u32)>> {
    arg_max_with(Level::detect(), x)
}

/// [`arg_max`] at a level of one's choice.
///
/// # Errors
/// As [`arg_max`], and if the machine doesn't have the level.
pub fn arg_max_with(level: Level, x: &Tensor) -> candle_core::Result<Vec<(f32, u32)>> {
    if !level.is_available() {
        return Err(Error::Level { level }.into());
    }
    check::float(OP, "x", x)?;
    let &[rows, n] = x.dims() else {
        let found = x.dims().to_vec();
        return Err(Error::Rank { op: OP, name: "x", expected: "[rows, n]", found }.into());
    };
    let (storage, layout) = x.storage_and_layout();
    let values = match &*storage {
        Storage::Cpu(values) => values,
        Storage::Cuda(values) => {
            check::contiguous_offsets(OP, "x", layout)?;
            return cuda::arg_max_on_device((values, layout), rows, n);
        }
        Storage::Metal(_) => return check::refused(OP, "Metal"),
    };
    let values = check::contiguous(OP, "x", values.as_slice::<f32>()?, layout)?;
    if n == 0 {
        return Ok(vec![(f32::NEG_INFINITY, 0); rows]);
    }
    // SAFETY: the level is available.
    let largest = |row: &[f32]| unsafe { row_max(level, row) };
    Ok(match values.len() >= WORTH_THREADS {
        true => values.par_chunks(n).map(largest).collect(),
        false => values.chunks(n).map(largest).collect(),
    })
}

/// How a token stands among the logits of its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// The largest logit, and whose it is: of equals the first.
    pub best: (f32, u32),
    /// The largest of the others.
    pub second: f32,
    /// The logit of the token that was asked for; −∞ where it is not among these.
    pub wanted: f32,
}

impl Lead {
    /// Before any logit was seen.
    pub const NONE: Self =
        Self { best: (f32::NEG_INFINITY, 0), second: f32::NEG_INFINITY, wanted: f32::NEG_INFINITY };

    /// Takes in the same position's logits of other tokens, whose ids are all higher.
    pub fn merge(&mut self, later: Self) {
        let Self { best, second, wanted } = later;
        if best.0 > self.best.0 {
            self.second = self.best.0.max(second);
            self.best = best;
        } else {
            self.second = self.second.max(best.0);
        }
        self.wanted = self.wanted.max(wanted);
    }
}

/// For each row of `x`, f32, f16 or bf16, `[rows, n]`: its largest value, the largest of the others,
/// and the one at the place that `wanted` names; places from `n` on have none.
///
/// # Errors
/// If `x` is of another shape, dtype or layout, or `wanted` of another length.
pub fn leads(x: &Tensor, wanted: &[usize]) -> candle_core::Result<Vec<Lead>> {
    if !x.device().is_cpu() {
        return leads(&x.to_dtype(candle_core::DType::F32)?.to_device(&Device::Cpu)?, wanted);
    }
    check::float(OP, "x", x)?;
    let &[rows, n] = x.dims() else {
        let found = x.dims().to_vec();
        return Err(Error::Rank { op: OP, name: "x", expected: "[rows, n]", found }.into());
    };
    if wanted.len() != rows {
        let found = vec![wanted.len()];
        return Err(Error::Shape { op: OP, name: "wanted", expected: vec![rows], found }.into());
    }
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(values) = &*storage else { return check::refused(OP, "another device") };
    let values = check::contiguous(OP, "x", values.as_slice::<f32>()?, layout)?;
    if n == 0 {
        return Ok(vec![Lead::NONE; rows]);
    }
    let level = Level::detect();
    let lead = |(row, &wanted): (&[f32], &usize)| {
        // SAFETY: the level is available.
        let (best, at) = unsafe { row_max(level, row) };
        let (before, behind) = (&row[..at as usize], &row[at as usize + 1..]);
        // SAFETY: as above.
        let second = unsafe { row_max(level, before).0.max(row_max(level, behind).0) };
        let wanted = row.get(wanted).copied().unwrap_or(f32::NEG_INFINITY);
        Lead { best: (best, at), second, wanted }
    };
    Ok(match values.len() >= WORTH_THREADS {
        true => values.par_chunks(n).zip(wanted).map(lead).collect(),
        false => values.chunks(n).zip(wanted).map(lead).collect(),
    })
}

/// # Safety
/// The machine must have the level.
unsafe fn row_max(level: Level, row: &[f32]) -> (f32, u32) {
    let largest = unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512(row),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(row),
            _ => largest::<Portable>(row),
        }
    };
    // Vectors only know how large it is; where it stands, the compiler's own search finds.
    let at = row.iter().position(|&x| x == largest).unwrap_or(0);
    (largest, at as u32)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(row: &[f32]) -> f32 {
    unsafe { largest::<Avx512>(row) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2(row: &[f32]) -> f32 {
    unsafe { largest::<Avx2>(row) }
}

#[inline(always)]
unsafe fn largest<S: Simd>(row: &[f32]) -> f32 {
    let whole = row.len() - row.len() % (4 * S::LANES);
    unsafe {
        let mut max = [S::splat(f32::NEG_INFINITY); 4];
        for i in (0..whole).step_by(4 * S::LANES) {
            let x = S::load_each::<4>(row.as_ptr().add(i), S::LANES);
            for j in 0..4 {
                // In this order a NaN in x doesn't survive.
                max[j] = S::max(x[j], max[j]);
            }
        }
        let vector = S::max(S::max(max[0], max[1]), S::max(max[2], max[3]));
        row[whole..].iter().fold(S::largest(vector), |max, &x| if x > max { x } else { max })
    }
}
