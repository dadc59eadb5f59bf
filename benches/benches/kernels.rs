//! The kernels against the slow versions and against candle's own operations.
//!
//! An "element" of the throughput is one floating-point operation: Gelem/s are GFLOP/s. Lines named
//! `1-thread` are per core; the others use all cores.
//!
//! candle is timed as it ships: without the AVX-512 kernels of its matrix product, which a program can
//! switch on (`gemm` with the feature `x86-v4`; up to 2.5 times as fast on large products).
//!
//! The reference takes 64-bit scalars one by one, and the composition of candle's operations keeps
//! all scores in memory: each is timed only where it stays below a few seconds and 300 MB.

mod common;

use std::hint::black_box;

use c3_kernels::attention::AttentionShape;
use c3_kernels::{Activations, Attention, attention, linear, reference};
use candle_core::{DType, Device, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The encoder of the released model: 12 query heads on 2 key-value heads.
const HEADS: usize = 12;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 128;

fn random(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1f32..1.0)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// Query-key products and weighted sums, two operations per multiply-add; keys that are not seen
/// don't count.
fn operations(shape: &AttentionShape, options: &Attention) -> u64 {
    let seen: usize = (0..shape.queries).map(|i| shape.visible(options, 0, i).len()).sum();
    (4 * seen * shape.heads * shape.head_dim) as u64
}

/// What one would write with candle's operations, heads of a group side by side and not repeated.
fn composition(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor, scale: f64) -> Tensor {
    let (batch, queries, heads, head_dim) = q.dims4().unwrap();
    let (_, kv_heads, keys, _) = k.dims4().unwrap();
    let group = heads / kv_heads;
    let compute = || -> candle_core::Result<Tensor> {
        let q = q.transpose(1, 2)?.reshape((batch, kv_heads, group * queries, head_dim))?;
        let scores = (q.matmul(&k.transpose(2, 3)?)? * scale)?
            .reshape((batch, kv_heads, group, queries, keys))?
            .broadcast_add(mask)?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        let weights = weights.reshape((batch, kv_heads, group * queries, keys))?;
        let out = weights.matmul(v)?.reshape((batch, heads, queries, head_dim))?;
        out.transpose(1, 2)?.contiguous()
    };
    compute().unwrap()
}

/// The last `queries` keys are hidden from the queries before them.
fn causal_mask(queries: usize, keys: usize) -> Tensor {
    let hidden = |i: usize, t: usize| t + queries > keys + i;
    let values: Vec<f32> = (0..queries * keys)
        .map(|at| if hidden(at / keys, at % keys) { f32::NEG_INFINITY } else { 0.0 })
        .collect();
    Tensor::from_vec(values, (queries, keys), &Device::Cpu).unwrap()
}

/// N learned queries behind T tokens of text: they see all of it, and each other causally.
fn context_queries(c: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = c.benchmark_group("context_query_attention");
    for queries in [8, 32, 128, 512] {
        for text in [256, 2048, 8192, 32768] {
            let keys = text + queries;
            let scale = (HEAD_DIM as f32).sqrt().recip();
            let options =
                Attention { scale, causal: true, first_key: vec![], activations: Activations::F32 };
            let (heads, kv_heads, head_dim) = (HEADS, KV_HEADS, HEAD_DIM);
            let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys, head_dim };
            let q = random(&[1, queries, heads, head_dim], 1);
            let k = random(&[1, kv_heads, keys, head_dim], 2);
            let v = random(&[1, kv_heads, keys, head_dim], 3);
            let operations = operations(&shape, &options);
            group.throughput(Throughput::Elements(operations));
            let id = |name: &str| BenchmarkId::new(name, format!("N={queries}/T={text}"));

            group.bench_function(id("cpu"), |b| {
                b.iter(|| attention(black_box(&q), &k, &v, &options).unwrap());
            });
            group.bench_function(id("cpu-1-thread"), |b| {
                b.iter(|| one.install(|| attention(black_box(&q), &k, &v, &options).unwrap()));
            });
            if HEADS * queries * keys * 4 <= 300_000_000 {
                let mask = causal_mask(queries, keys);
                group.bench_function(id("candle"), |b| {
                    b.iter(|| composition(black_box(&q), &k, &v, &mask, f64::from(scale)));
                });
            }
            if operations <= 500_000_000 {
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let (q, k, v) = (flat(&q), flat(&k), flat(&v));
                group.bench_function(id("reference"), |b| {
                    b.iter(|| reference::attention(black_box(&q), &k, &v, &shape, &options));
                });
            }
        }
    }
    group.finish();
}

/// One step of decoding: one query of each row of the batch.
fn decode_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode_step_attention");
    for (batch, heads, kv_heads, keys, head_dim) in
        [(1, 4, 4, 300, 64), (16, 4, 4, 300, 64), (1, 16, 2, 1300, 128), (16, 16, 2, 1300, 128)]
    {
        let scale = (head_dim as f32).sqrt().recip();
        let options =
            Attention { scale, causal: true, first_key: vec![], activations: Activations::F32 };
        let shape = AttentionShape { batch, queries: 1, heads, kv_heads, keys, head_dim };
        let q = random(&[batch, 1, heads, head_dim], 1);
        let k = random(&[batch, kv_heads, keys, head_dim], 2);
        let v = random(&[batch, kv_heads, keys, head_dim], 3);
        let mask = causal_mask(1, keys);
        let name = format!("batch={batch}/heads={heads}:{kv_heads}/T={keys}/dim={head_dim}");
        group.throughput(Throughput::Elements(batch as u64 * operations(&shape, &options)));
        group.bench_function(BenchmarkId::new("cpu", &name), |b| {
            b.iter(|| attention(black_box(&q), &k, &v, &options).unwrap());
        });
        group.bench_function(BenchmarkId::new("candle", &name), |b| {
            b.iter(|| composition(black_box(&q), &k, &v, &mask, f64::from(scale)));
        });
    }
    group.finish();
}

/// Rows of activations times the weights of the built-in model and of a large one.
fn linear_layers(c: &mut Criterion) {
    let mut group = c.benchmark_group("linear");
    for (n, k) in [(8192, 256), (704, 256), (256, 704), (11008, 2048)] {
        let w = random(&[n, k], 1);
        let weights = [DType::F32, DType::F16, DType::BF16].map(|dtype| w.to_dtype(dtype).unwrap());
        for rows in [1, 4, 8, 16, 64, 512] {
            if rows > 64 && k > 1024 {
                continue;
            }
            let x = random(&[rows, k], 2);
            group.throughput(Throughput::Elements((2 * rows * n * k) as u64));
            let id = |name: &str| BenchmarkId::new(name, format!("[{rows},{k}]x[{n},{k}]"));
            for w in &weights {
                group.bench_function(id(w.dtype().as_str()), |b| {
                    b.iter(|| linear(black_box(&x), w, None).unwrap());
                });
            }
            group.bench_function(id("candle-f32"), |b| {
                b.iter(|| black_box(&x).matmul(&w.t().unwrap()).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = context_queries, decode_step, linear_layers
}
criterion_main!(benches);
