//! Single operations.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use c3_kernels::{Activations, Attention};
use c3_nn::Matrix;
use candle_core::{Device, Tensor};

use super::Answer;

fn random(shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::rand(-1f32, 1f32, shape, &Device::Cpu)?)
}

fn operations(seconds: f64, operations: usize) -> Answer {
    Answer { seconds, operations: Some(operations as u64), ..Answer::default() }
}

/// f32 rows times the matrix, however that is kept.
pub(super) fn gemm(weight: &Matrix, rows: usize) -> Result<Answer> {
    let [n, k] = weight.dims();
    let x = random(&[rows, k])?;
    let start = Instant::now();
    black_box(weight.linear(&x, None)?);
    Ok(operations(start.elapsed().as_secs_f64(), 2 * rows * n * k))
}

pub(super) fn attention(
    [queries, keys]: [usize; 2],
    [heads, kv_heads]: [usize; 2],
    head_dim: usize,
    activations: Activations,
) -> Result<Answer> {
    ensure!(head_dim > 0, "head_dim is 0");
    let q = random(&[1, queries, heads, head_dim])?;
    let k = random(&[1, kv_heads, keys, head_dim])?;
    let v = random(&[1, kv_heads, keys, head_dim])?;
    let scale = (head_dim as f32).sqrt().recip();
    let options = Attention { scale, causal: false, first_key: vec![], activations };
    let start = Instant::now();
    black_box(c3_kernels::attention(&q, &k, &v, &options)?);
    Ok(operations(start.elapsed().as_secs_f64(), 4 * queries * keys * heads * head_dim))
}
