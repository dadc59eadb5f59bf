//! Muon's step (Jordan 2024, kellerjordan.github.io/posts/muon): the momentum of a matrix, made
//! nearly orthogonal.

use c3_kernels::{Activations, trained_linear};
use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::Result;

/// Newton-Schulz steps, and the coefficients of each: they bring singular values near 1 fast.
const STEPS: usize = 5;
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// `m ← β m + g`, `w ← w − rate · √max(1, rows / columns) · orthogonal(g + β m)`.
pub(super) fn update(
    weights: &mut [f32],
    gradient: &[f32],
    momentum: &mut [f32],
    (rows, columns): (usize, usize),
    rate: f64,
    beta: f64,
    activations: Activations,
) -> Result<()> {
    let beta = beta as f32;
    let ahead: Vec<f32> = momentum
        .par_iter_mut()
        .zip(gradient)
        .map(|(m, &g)| {
            *m = beta * *m + g;
            g + beta * *m
        })
        .collect();
    let direction = Tensor::from_vec(ahead, (rows, columns), &Device::Cpu)?;
    let direction = orthogonal(&direction, activations)?;
    let size = (rate * (rows as f64 / columns as f64).max(1.0).sqrt()) as f32;
    let direction = direction.flatten_all()?.to_vec1::<f32>()?;
    weights.par_iter_mut().zip(direction).for_each(|(weight, d)| *weight -= size * d);
    Ok(())
}

/// The matrix with its singular values brought near 1; bf16 is enough for that.
fn orthogonal(x: &Tensor, activations: Activations) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    let turned = rows > columns;
    let x = if turned { x.t()?.contiguous()? } else { x.clone() };
    let norm = f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt();
    let mut x = (x / (norm + 1e-7))?;
    let [a, b, c] = COEFFICIENTS;
    let linear = |x: &Tensor, w: &Tensor| trained_linear(x, w, None, activations);
    for _ in 0..STEPS {
        let square = linear(&x, &x)?; // x xᵀ, [short, short]
        // It is symmetric: its product with itself is one with its transpose.
        let mixed = ((&square * b)? + (linear(&square, &square)? * c)?)?;
        x = ((&x * a)? + linear(&mixed, &x.t()?.contiguous()?)?)?;
    }
    Ok(if turned { x.t()?.contiguous()? } else { x })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_come_near_one() {
        let sizes = [(8, 8), (5, 12), (33, 9), (70, 96), (200, 65)];
        let roundings = [Activations::F32, Activations::Bf16];
        for ((rows, columns), activations) in
            sizes.into_iter().flat_map(|size| roundings.map(|rounding| (size, rounding)))
        {
            let x = Tensor::randn(0f32, 1.0, (rows, columns), &Device::Cpu).unwrap();
            let x = orthogonal(&x, activations).unwrap();
            assert_eq!(x.dims(), [rows, columns]);
            let short = if rows > columns { x.t().unwrap() } else { x };
            let square = short.matmul(&short.t().unwrap()).unwrap().to_vec2::<f32>().unwrap();
            let n = rows.min(columns);
            // The sum of squares of singular values, each of which is between 0.6 and 1.3 but for
            // those that were next to zero.
            let trace: f32 = (0..n).map(|i| square[i][i]).sum();
            assert!(trace > 0.4 * n as f32 && trace < 1.5 * n as f32, "{trace} of {n}");
        }
    }

    #[test]
    fn a_step_goes_down() {
        let mut weights = vec![1f32; 6];
        let gradient = vec![1f32, 0.0, 0.0, 0.0, 1.0, 0.0];
        let mut momentum = vec![0f32; 6];
        update(&mut weights, &gradient, &mut momentum, (2, 3), 0.1, 0.9, Activations::F32).unwrap();
        assert_eq!(momentum, gradient);
        assert!(weights[0] < 0.95 && weights[4] < 0.95 && (weights[1] - 1.0).abs() < 1e-6);
    }
}
