//! Products with quantised weights against candle's.
//!
//! A byte of the throughput is one of the weights: where it comes near the speed at which memory can
//! be read, nothing more can be won. Lines named `1-thread` are per core; candle has threads of its
//! own, as many as cores.

mod common;

use std::hint::black_box;
use std::sync::Arc;

use c3_kernels::{BlockType, Blocks, quantized_linear};
use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The decoder's largest matrix, `gate_proj`.
const SHAPE: (usize, usize) = (11008, 2048);

fn random(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..dims.iter().product()).map(|_| rng.random_range(-1f32..1.0)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn quantized_layers(c: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (n, k) = SHAPE;
    let weights = random(&[n, k], 1);
    let mut group = c.benchmark_group("quantized_linear");
    for kind in [BlockType::Q8_0, BlockType::Q6K, BlockType::Q4K, BlockType::Q4_0] {
        let quantized = QTensor::quantize(&weights, kind.into()).unwrap();
        let bytes = quantized.data().unwrap().into_owned();
        let storage = QStorage::from_data(bytes.as_slice().into(), &Device::Cpu, kind.into());
        let theirs = QTensor::new(storage.unwrap(), (n, k)).unwrap();
        let theirs = QMatMul::from_qtensor(theirs).unwrap();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let ours = Blocks::new(kind, [n, k], Arc::new(bytes)).unwrap();
        for rows in [1, 4, 16, 64] {
            let x = random(&[rows, k], 2);
            let id = |name: &str| BenchmarkId::new(name, format!("{kind}/rows={rows}"));
            group.bench_function(id("cpu"), |b| {
                b.iter(|| quantized_linear(black_box(&x), &ours, None).unwrap());
            });
            group.bench_function(id("cpu-1-thread"), |b| {
                b.iter(|| one.install(|| quantized_linear(black_box(&x), &ours, None).unwrap()));
            });
            group.bench_function(id("candle"), |b| {
                b.iter(|| theirs.forward(black_box(&x)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = quantized_layers
}
criterion_main!(benches);
