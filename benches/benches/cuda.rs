//! Attention on a CUDA device: the project's kernels against the same composed of candle's operations.
//!
//! An iteration is everything a caller waits for: memory for the result, launches, and the wait for the
//! device. The shape `tiny` has next to no work: its time is what the others' have on top of theirs.
//! An "element" of the throughput is one floating-point operation: Gelem/s are GFLOP/s.
//!
//! Tensors are made when a benchmark starts, so that a filter leaves out their memory too. On an
//! emulated device (`c3-kernels/emulator/driver`) only `-- tiny` ends within a minute; what it says
//! there is that everything runs.

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Duration;

use c3_kernels::attention::AttentionShape;
use c3_kernels::{Activations, Attention, attention};
use candle_core::{DType, Device, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// What is timed here, and with PyTorch by `cuda/peers.py`.
const SHAPES: &str = include_str!("../cuda/shapes.json");

const DTYPES: [DType; 3] = [DType::BF16, DType::F16, DType::F32];

/// One sequence whose last `queries` keys are the queries' own: a query sees no key after its own.
#[derive(Deserialize)]
struct Shape {
    name: String,
    queries: usize,
    heads: usize,
    kv_heads: usize,
    keys: usize,
    head_dim: usize,
}

impl Shape {
    fn options(&self) -> Attention {
        let scale = (self.head_dim as f32).sqrt().recip();
        Attention { scale, causal: true, first_key: vec![], activations: Activations::F32 }
    }

    /// Query-key products and weighted sums, two operations per multiply-add; keys that are not seen
    /// don't count.
    fn operations(&self) -> u64 {
        let &Self { queries, heads, kv_heads, keys, head_dim, .. } = self;
        let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys, head_dim };
        let options = self.options();
        let seen: usize = (0..queries).map(|i| shape.visible(&options, 0, i).len()).sum();
        (4 * seen * heads * head_dim) as u64
    }
}

/// q `[1, queries, heads, head_dim]`, k and v `[1, kv_heads, keys, head_dim]`, all on the device.
struct Inputs {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

impl Inputs {
    fn new(shape: &Shape, dtype: DType, device: &Device) -> Self {
        let &Shape { queries, heads, kv_heads, keys, head_dim, .. } = shape;
        let on =
            |dims, seed| random(dims, seed).to_dtype(dtype).unwrap().to_device(device).unwrap();
        Self {
            q: on([1, queries, heads, head_dim], 1),
            k: on([1, kv_heads, keys, head_dim], 2),
            v: on([1, kv_heads, keys, head_dim], 3),
        }
    }
}

fn random(dims: [usize; 4], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1f32..1.0)).collect();
    Tensor::from_vec(values, &dims, &Device::Cpu).unwrap()
}

/// `[queries, keys]`: 0 where a query sees the key, −∞ elsewhere.
fn causal_mask(shape: &Shape, dtype: DType, device: &Device) -> Tensor {
    let &Shape { queries, keys, .. } = shape;
    let hidden = |i: usize, t: usize| t + queries > keys + i;
    let values: Vec<f32> = (0..queries * keys)
        .map(|at| if hidden(at / keys, at % keys) { f32::NEG_INFINITY } else { 0.0 })
        .collect();
    let mask = Tensor::from_vec(values, (queries, keys), &Device::Cpu).unwrap();
    mask.to_dtype(dtype).unwrap().to_device(device).unwrap()
}

/// What one would write with candle's operations, heads of a group side by side and not repeated.
fn composition(inputs: &Inputs, mask: &Tensor, scale: f64) -> candle_core::Result<Tensor> {
    let Inputs { q, k, v } = inputs;
    let (batch, queries, heads, head_dim) = q.dims4()?;
    let (_, kv_heads, keys, _) = k.dims4()?;
    let group = heads / kv_heads;
    // [batch, kv_heads, group · queries, head_dim]
    let q = q.transpose(1, 2)?.reshape((batch, kv_heads, group * queries, head_dim))?;
    let scores = (q.matmul(&k.transpose(2, 3)?)? * scale)?
        .reshape((batch, kv_heads, group, queries, keys))?
        .broadcast_add(mask)?;
    let weights = candle_nn::ops::softmax_last_dim(&scores)?;
    let weights = weights.reshape((batch, kv_heads, group * queries, keys))?;
    let out = weights.matmul(v)?.reshape((batch, heads, queries, head_dim))?;
    out.transpose(1, 2)?.contiguous()
}

/// Panics unless both ways give the same but for rounding.
fn assert_same(ours: &Tensor, theirs: &Tensor, what: &str) {
    let flat = |tensor: &Tensor| {
        let values = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        values.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let (found, right) = (flat(ours), flat(theirs));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum();
    let all: f64 = square(&mut right.iter().copied());
    let off: f64 = square(&mut found.iter().zip(&right).map(|(x, y)| x - y));
    let relative = (off / all.max(f64::MIN_POSITIVE)).sqrt();
    // The composition rounds scores and weights to its type; weights of a million keys have few bits
    // left in f16. Another operation would be off by about 1.
    let most = match ours.dtype() {
        DType::F32 => 1e-3,
        _ => 5e-2,
    };
    assert!(relative <= most, "{what}: candle's composition differs by {relative:e}");
}

fn attention_on_cuda(c: &mut Criterion) {
    let device = &Device::new_cuda(0).unwrap();
    let shapes: Vec<Shape> = serde_json::from_str(SHAPES).unwrap();
    let mut group = c.benchmark_group("cuda_attention");
    group.sample_size(20);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    for shape in &shapes {
        group.throughput(Throughput::Elements(shape.operations()));
        let options = shape.options();
        for dtype in DTYPES {
            let id = |who: &str| BenchmarkId::new(format!("{who} {}", dtype.as_str()), &shape.name);
            let inputs = LazyCell::new(|| Inputs::new(shape, dtype, device));
            let ours = |inputs: &Inputs| {
                let Inputs { q, k, v } = black_box(inputs);
                attention(q, k, v, &options).unwrap()
            };
            group.bench_function(id("c3"), |b| {
                let inputs = &*inputs;
                device.synchronize().unwrap();
                b.iter(|| {
                    let out = ours(inputs);
                    device.synchronize().unwrap();
                    out
                });
            });
            let mask = LazyCell::new(|| {
                let mask = causal_mask(shape, dtype, device);
                let theirs = composition(&inputs, &mask, options.scale.into()).unwrap();
                assert_same(&ours(&inputs), &theirs, &format!("{} {dtype:?}", shape.name));
                mask
            });
            group.bench_function(id("candle"), |b| {
                let (inputs, mask) = (&*inputs, &*mask);
                device.synchronize().unwrap();
                b.iter(|| {
                    let out = composition(black_box(inputs), mask, options.scale.into()).unwrap();
                    device.synchronize().unwrap();
                    out
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, attention_on_cuda);
criterion_main!(benches);
