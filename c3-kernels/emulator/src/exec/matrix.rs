//! Matrices spread over the registers of a warp: `ldmatrix` and `mma`.

use half::f16;

use super::Stop;
use super::block::Block;
use super::shared::{Kind, WHOLE_WARP};
use super::warp::{ALL, Warp};
use crate::error::FaultKind;
use crate::op::{Address, Reg};
use crate::options::MmaRounding;
use crate::types::Type;

/// How many products the hardware adds at once.
const STEP: usize = 8;

impl Block<'_> {
    /// Loads 8 × 8 matrices of 16-bit elements. Lane 8i + r tells where row r of matrix i lies.
    pub(super) fn load_matrix(
        &mut self,
        warp: &mut Warp,
        transposed: bool,
        d: &[Reg],
        at: Address,
    ) -> Result<(), Box<Stop>> {
        let bases = *warp.get(at.base);
        for (i, &d) in d.iter().enumerate() {
            let mut rows = [[0u64; 8]; 8];
            for (r, row) in rows.iter_mut().enumerate() {
                let lane = i * 8 + r;
                let address = bases[lane].wrapping_add(at.offset as u64);
                let found = self.matrix_row(warp, address);
                let offset = found.map_err(|kind| Stop::at(lane, kind))?;
                for (c, element) in row.iter_mut().enumerate() {
                    *element = self.shared.load(offset + c * 2, 2);
                }
            }
            let mut out = [0; 32];
            for (lane, out) in out.iter_mut().enumerate() {
                let (row, pair) = (lane / 4, lane % 4 * 2);
                *out = match transposed {
                    false => rows[row][pair] | rows[row][pair + 1] << 16,
                    true => rows[pair][row] | rows[pair + 1][row] << 16,
                };
            }
            warp.set(d, ALL, &out);
        }
        Ok(())
    }

    /// Elements go to other lanes than those that name the row, so all of them read it.
    fn matrix_row(&mut self, warp: &Warp, address: u64) -> Result<usize, FaultKind> {
        let offset = self.shared.locate(address, 16)?;
        self.shared.read(offset, 16, warp, WHOLE_WARP, Kind::Plain)?;
        Ok(offset)
    }
}

/// `d = a · b + c` with a of 16 × k, b of k × 8, c and d of 16 × 8; k is 8 or 16.
pub(super) fn multiply(
    warp: &mut Warp,
    how: (Type, MmaRounding),
    d: [Reg; 4],
    ab: (&[Reg], &[Reg]),
    c: [Reg; 4],
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { multiply_avx2(warp, how, d, ab, c) };
    }
    multiply_portable(warp, how, d, ab, c);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn multiply_avx2(
    warp: &mut Warp,
    how: (Type, MmaRounding),
    d: [Reg; 4],
    ab: (&[Reg], &[Reg]),
    c: [Reg; 4],
) {
    multiply_portable(warp, how, d, ab, c);
}

#[inline(always)]
fn multiply_portable(
    warp: &mut Warp,
    (ty, rounding): (Type, MmaRounding),
    d: [Reg; 4],
    (a, b): (&[Reg], &[Reg]),
    c: [Reg; 4],
) {
    let widen = |bits: u64| match ty {
        Type::Bf16 => f32::from_bits((bits as u32) << 16),
        _ => f16::from_bits(bits as u16).to_f32(),
    };
    let (mut x, mut y, mut sums) = ([[0f32; 16]; 16], [[0f32; 8]; 16], [[0f32; 8]; 16]);
    for (i, &reg) in a.iter().enumerate() {
        for (lane, &bits) in warp.get(reg).iter().enumerate() {
            let (row, k) = (lane / 4 + i % 2 * 8, lane % 4 * 2 + i / 2 * 8);
            (x[row][k], x[row][k + 1]) = (widen(bits), widen(bits >> 16));
        }
    }
    for (i, &reg) in b.iter().enumerate() {
        for (lane, &bits) in warp.get(reg).iter().enumerate() {
            let (k, column) = (lane % 4 * 2 + i * 8, lane / 4);
            (y[k][column], y[k + 1][column]) = (widen(bits), widen(bits >> 16));
        }
    }
    let spot = |i: usize, lane: usize| (lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
    for (i, &reg) in c.iter().enumerate() {
        for (lane, &bits) in warp.get(reg).iter().enumerate() {
            let (row, column) = spot(i, lane);
            sums[row][column] = f32::from_bits(bits as u32);
        }
    }
    let k = b.len() * 8;
    for (x, sums) in x.iter().zip(&mut sums) {
        match rounding {
            MmaRounding::Exact => exact(&x[..k], &y[..k], sums),
            MmaRounding::Sequential => sequential(&x[..k], &y[..k], sums),
            MmaRounding::Truncated => {
                for from in (0..k).step_by(STEP) {
                    truncated(&x[from..from + STEP], &y[from..from + STEP], sums);
                }
            }
        }
    }
    for (i, &reg) in d.iter().enumerate() {
        let mut out = [0; 32];
        for (lane, out) in out.iter_mut().enumerate() {
            let (row, column) = spot(i, lane);
            *out = u64::from(sums[row][column].to_bits());
        }
        warp.set(reg, ALL, &out);
    }
}

/// One row of the result, summed in f64 and rounded once.
#[inline(always)]
fn exact(x: &[f32], y: &[[f32; 8]], sums: &mut [f32; 8]) {
    let mut wide = sums.map(f64::from);
    for (&x, y) in x.iter().zip(y) {
        for (sum, &y) in wide.iter_mut().zip(y) {
            *sum += f64::from(x) * f64::from(y);
        }
    }
    *sums = wide.map(|sum| sum as f32);
}

/// One row of the result, rounded to f32 after each product. (A product of 16-bit floats is exact.)
#[inline(always)]
fn sequential(x: &[f32], y: &[[f32; 8]], sums: &mut [f32; 8]) {
    for (&x, y) in x.iter().zip(y) {
        for (sum, &y) in sums.iter_mut().zip(y) {
            *sum += x * y;
        }
    }
}

/// One row of the result as tensor cores sum: all terms are aligned to the largest and lose the bits
/// that stick out below, then their sum is cut to f32 (Fasi et al., "Numerical behavior of NVIDIA
/// tensor cores", 2021).
#[inline(always)]
fn truncated(x: &[f32], y: &[[f32; 8]], sums: &mut [f32; 8]) {
    for (column, sum) in sums.iter_mut().enumerate() {
        let mut terms = [f64::from(*sum); STEP + 1];
        for ((term, &x), y) in terms.iter_mut().zip(x).zip(y) {
            *term = f64::from(x) * f64::from(y[column]);
        }
        let largest = terms.iter().fold(0f64, |max, term| max.max(term.abs()));
        if largest == 0.0 || terms.iter().any(|term| !term.is_finite()) {
            *sum = terms.iter().sum::<f64>() as f32;
            continue;
        }
        // 24 bits, counted from the largest term's highest. (f64's exponent, which is never that of
        // a subnormal.)
        let exponent = (largest.to_bits() >> 52) as i64 - 1023 - 23;
        let unit = f64::from_bits(((exponent + 1023).max(1) as u64) << 52);
        let total: f64 = terms.iter().map(|term| (term / unit).trunc()).sum::<f64>() * unit;
        *sum = f32::from_bits(
            crate::float::narrow(Type::F32, total, crate::float::Rounding::Zero) as u32
        );
    }
}
