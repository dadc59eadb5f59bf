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

    /// Rows of a matrix in 64 bits.
    type Rows = Vec<Vec<f64>>;

    fn turned(a: &Rows) -> Rows {
        (0..a[0].len()).map(|column| a.iter().map(|row| row[column]).collect()).collect()
    }

    fn product(a: &Rows, b: &Rows) -> Rows {
        let columns = turned(b);
        let dot = |row: &[f64], column: &[f64]| row.iter().zip(column).map(|(x, y)| x * y).sum();
        a.iter().map(|row| columns.iter().map(|column| dot(row, column)).collect()).collect()
    }

    /// The iteration as it is published: X ← a X + (b A + c A²) X with A = X Xᵀ.
    fn plainly(x: &Rows) -> Rows {
        let tall = x.len() > x[0].len();
        let mut x = if tall { turned(x) } else { x.clone() };
        let norm = x.iter().flatten().map(|x| x * x).sum::<f64>().sqrt();
        x.iter_mut().flatten().for_each(|x| *x /= norm + 1e-7);
        for _ in 0..5 {
            let square = product(&x, &turned(&x));
            let fourth = product(&square, &square);
            let mut mixed = square;
            for (a, b) in mixed.iter_mut().flatten().zip(fourth.iter().flatten()) {
                *a = -4.7750 * *a + 2.0315 * b;
            }
            let more = product(&mixed, &x);
            for (x, more) in x.iter_mut().flatten().zip(more.iter().flatten()) {
                *x = 3.4445 * *x + more;
            }
        }
        if tall { turned(&x) } else { x }
    }

    fn wide(x: &Tensor) -> Rows {
        let rows = x.to_vec2::<f32>().unwrap();
        rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect()
    }

    #[test]
    fn agrees_with_the_published_iteration_in_64_bits() {
        for (rows, columns) in [(8, 8), (5, 12), (33, 9), (70, 96)] {
            let x = Tensor::randn(0f32, 1.0, (rows, columns), &Device::Cpu).unwrap();
            let right = plainly(&wide(&x));
            // In bf16 each product is rounded to 8 bits, and the iteration doubles what is off.
            for (activations, most) in [(Activations::F32, 1e-4), (Activations::Bf16, 0.1)] {
                let found = wide(&orthogonal(&x, activations).unwrap());
                let pairs = found.iter().flatten().zip(right.iter().flatten());
                let off = pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                let size = right.iter().flatten().map(|b| b * b).sum::<f64>().sqrt();
                assert!(off < most * size, "{rows} × {columns}, {activations:?}: {}", off / size);
            }
        }
    }

    /// The second step: momentum looks ahead, and tall matrices take longer steps.
    #[test]
    fn a_step_is_what_the_formula_says() {
        let (rows, columns) = (8, 2);
        let gradient = |step: usize| -> Vec<f32> {
            (0..rows * columns).map(|i| ((i * 3 + step * 5) as f32).sin()).collect()
        };
        let mut weights = vec![0.5f32; rows * columns];
        let mut momentum = vec![0f32; rows * columns];
        let mut exact = vec![0.5f64; rows * columns];
        let mut sum = vec![0f64; rows * columns];
        for step in 0..2 {
            let g = gradient(step);
            let dims = (rows, columns);
            update(&mut weights, &g, &mut momentum, dims, 0.1, 0.9, Activations::F32).unwrap();
            let ahead: Vec<f64> = sum
                .iter_mut()
                .zip(&g)
                .map(|(m, &g)| {
                    *m = 0.9 * *m + f64::from(g);
                    f64::from(g) + 0.9 * *m
                })
                .collect();
            let direction = plainly(&ahead.chunks(columns).map(<[f64]>::to_vec).collect());
            for (exact, d) in exact.iter_mut().zip(direction.iter().flatten()) {
                *exact -= 0.1 * 2.0 * d; // √(8 / 2)
            }
        }
        for (found, right) in weights.iter().zip(exact) {
            assert!((f64::from(*found) - right).abs() < 1e-4, "{found} {right}");
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
