//! AdamW's step (Loshchilov and Hutter 2019, arXiv 1711.05101), decay apart.

use rayon::prelude::*;

/// Keeps quotients finite where no gradient has been.
const EPSILON: f32 = 1e-8;

/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w − rate · m̂ / (√v̂ + ε)`.
pub(super) fn update(
    weights: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
    step: u64,
    rate: f64,
    [beta1, beta2]: [f64; 2],
) {
    let steps = (step + 1).min(1 << 30) as i32;
    let size = (rate / (1.0 - beta1.powi(steps))) as f32;
    let spread = (1.0 - beta2.powi(steps)).sqrt().recip() as f32;
    let (keep1, keep2) = (beta1 as f32, beta2 as f32);
    let moments = first.par_iter_mut().zip(second);
    weights.par_iter_mut().zip(gradient).zip(moments).for_each(|((weight, &g), (m, v))| {
        *m = keep1 * *m + (1.0 - keep1) * g;
        *v = keep2 * *v + (1.0 - keep2) * g * g;
        *weight -= size * *m / (v.sqrt() * spread + EPSILON);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_formula_in_64_bits() {
        let mut weights = vec![0.5f32, -1.0, 2.0];
        let mut exact: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        let (mut m, mut v) = (vec![0f32; 3], vec![0f32; 3]);
        let mut moments = [[0f64; 3]; 2];
        for step in 0..20u64 {
            let g: Vec<f32> = (0..3).map(|i| ((step * 3 + i) as f32).sin()).collect();
            update(&mut weights, &g, [&mut m, &mut v], step, 0.01, [0.9, 0.98]);
            for i in 0..3 {
                let g = f64::from(g[i]);
                moments[0][i] = 0.9 * moments[0][i] + 0.1 * g;
                moments[1][i] = 0.98 * moments[1][i] + 0.02 * g * g;
                let t = step as i32 + 1;
                let first = moments[0][i] / (1.0 - 0.9f64.powi(t));
                let second = moments[1][i] / (1.0 - 0.98f64.powi(t));
                exact[i] -= 0.01 * first / (second.sqrt() + 1e-8);
            }
        }
        for (found, right) in weights.iter().zip(exact) {
            assert!((f64::from(*found) - right).abs() < 1e-6, "{found} {right}");
        }
    }
}
