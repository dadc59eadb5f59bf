//! The slow, obvious versions, in 64-bit floats. They define what is right.

use crate::attention::{Attention, AttentionShape};
use crate::{Error, Result};

/// What [`attention`] computes.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionOutput {
    /// `[batch, queries, heads, head_dim]`: `softmax(scale · q kᵀ) v`, zeros where no key is seen.
    pub values: Vec<f64>,
    /// `[batch, queries, heads]`: `ln Σ exp(scale · q kᵀ)`, `−∞` where no key is seen.
    pub log_sum_exp: Vec<f64>,
}

/// Softmax attention: one query, one key at a time.
///
/// `q` is `[batch, queries, heads, head_dim]`, `k` and `v` are `[batch, kv_heads, keys, head_dim]`,
/// all contiguous.
///
/// # Errors
/// If a slice doesn't have the length that `shape` asks for, or `shape` and `options` don't fit.
pub fn attention(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: &AttentionShape,
    options: &Attention,
) -> Result<AttentionOutput> {
    shape.check(options)?;
    let &AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = shape;
    check_length("q", q.len(), batch * queries * heads * head_dim)?;
    check_length("k", k.len(), batch * kv_heads * keys * head_dim)?;
    check_length("v", v.len(), batch * kv_heads * keys * head_dim)?;

    let mut values = vec![0f64; q.len()];
    let mut log_sum_exp = vec![f64::NEG_INFINITY; batch * queries * heads];
    for b in 0..batch {
        for i in 0..queries {
            let visible = shape.visible(options, b, i);
            for h in 0..heads {
                let row = (b * queries + i) * heads + h;
                let kv_head = b * kv_heads + h / shape.group();
                let at =
                    |t: usize| (kv_head * keys + t) * head_dim..(kv_head * keys + t + 1) * head_dim;
                let query = &q[row * head_dim..(row + 1) * head_dim];
                let scores: Vec<f64> = visible
                    .clone()
                    .map(|t| f64::from(options.scale) * dot(query, &k[at(t)]))
                    .collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                let out = &mut values[row * head_dim..(row + 1) * head_dim];
                for (score, t) in scores.iter().zip(visible.clone()) {
                    let weight = (score - max).exp() / sum;
                    for (out, &v) in out.iter_mut().zip(&v[at(t)]) {
                        *out += weight * f64::from(v);
                    }
                }
                if !visible.is_empty() {
                    log_sum_exp[row] = max + sum.ln();
                }
            }
        }
    }
    Ok(AttentionOutput { values, log_sum_exp })
}

/// `x wᵀ + bias`: one product at a time.
///
/// `x` is `[rows, k]`, `w` is `[n, k]`, `bias` is `[n]`; the result is `[rows, n]`.
///
/// # Errors
/// If a slice doesn't have the length that `rows`, `n` and `k` ask for.
pub fn linear(
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    [rows, n, k]: [usize; 3],
) -> Result<Vec<f64>> {
    check_length("x", x.len(), rows * k)?;
    check_length("w", w.len(), n * k)?;
    check_length("bias", bias.map_or(n, <[f32]>::len), n)?;
    let mut out = Vec::with_capacity(rows * n);
    for row in 0..rows {
        for column in 0..n {
            let product = dot(&x[row * k..(row + 1) * k], &w[column * k..(column + 1) * k]);
            out.push(product + bias.map_or(0.0, |bias| f64::from(bias[column])));
        }
    }
    Ok(out)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn check_length(name: &'static str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Length { op: "reference", name, expected, found }),
    }
}
