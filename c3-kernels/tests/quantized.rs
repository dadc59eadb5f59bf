//! Quantised weights at every level and type, against the 64-bit reference and against candle.
//!
//! x is rounded to 8 bits, which is a relative RMS error of `largest / 127 / √12` over the RMS of
//! x: 0.4% for values spread evenly over an interval. Two tolerances follow from that.
//! - Against the exact product: RMS error 4e-3 · (1 + 3 / √m), relative as in `linear.rs`, for a
//!   result of m values: of few, the RMS itself is by chance some standard deviations off.
//! - Against the product with x already rounded (values chosen so that rounding changes nothing):
//!   1e-6, for all that is left is f32 sums.

use std::sync::Arc;

use c3_kernels::{BlockType, Blocks, Level, quantized_linear, quantized_linear_with, reference};
use candle_core::quantized::{QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1f32..1.0)).collect()
}

/// Values that rounding to 8 bits doesn't change: multiples of 1/128, with 127/128 in each 32.
fn on_grid(count: usize, seed: u64) -> Vec<f32> {
    let values = random(count, seed);
    let round = |(i, x): (usize, f32)| match i % 32 {
        0 => 127f32.copysign(x) / 128.0,
        _ => (x * 127.0).round() / 128.0,
    };
    values.into_iter().enumerate().map(round).collect()
}

struct Case {
    sizes: [usize; 3],
    x: Tensor,
    w: Blocks,
    bias: Option<Tensor>,
}

impl Case {
    fn new(kind: BlockType, sizes: [usize; 3], grid: bool, with_bias: bool) -> Self {
        let [rows, n, k] = sizes;
        let seed = (rows * 31 + n * 7 + k) as u64;
        let tensor = |values: Vec<f32>, dims: &[usize]| {
            Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
        };
        let values = if grid { on_grid(rows * k, seed) } else { random(rows * k, seed) };
        let x = tensor(values, &[rows, k]);
        let w = quantize(kind, n, k, seed + 1);
        let bias = with_bias.then(|| tensor(random(n, seed + 2), &[n]));
        Self { sizes, x, w, bias }
    }

    fn run(&self, level: Level) -> Vec<f32> {
        let out = quantized_linear_with(level, &self.x, &self.w, self.bias.as_ref()).unwrap();
        assert_eq!(out.dims(), &self.sizes[..2]);
        flat(&out)
    }

    fn check(&self, tolerance: f64) {
        let w = dequantized(&self.w);
        let bias = self.bias.as_ref().map(flat);
        let right = reference::linear(&flat(&self.x), &w, bias.as_deref(), self.sizes).unwrap();
        let of = |values: &[f32]| norm(values.iter().map(|&x| f64::from(x)));
        let usual = of(&flat(&self.x)) * of(&w) / (self.sizes[2] as f64).sqrt();
        for level in levels() {
            let errors = self.run(level).into_iter().zip(&right).map(|(x, y)| f64::from(x) - y);
            let relative = norm(errors) / norm(right.iter().copied()).max(usual);
            let (kind, sizes) = (self.w.kind(), self.sizes);
            assert!(relative <= tolerance, "{level} {kind} {sizes:?}: RMS error {relative:e}");
        }
    }
}

fn quantize(kind: BlockType, n: usize, k: usize, seed: u64) -> Blocks {
    let weights = Tensor::from_vec(random(n * k, seed), (n, k), &Device::Cpu).unwrap();
    let quantized = QTensor::quantize(&weights, kind.into()).unwrap();
    Blocks::new(kind, [n, k], Arc::new(quantized.data().unwrap().into_owned())).unwrap()
}

fn candle(w: &Blocks) -> QTensor {
    let [n, k] = w.dims();
    let storage = QStorage::from_data(w.bytes().into(), &Device::Cpu, w.kind().into()).unwrap();
    QTensor::new(storage, (n, k)).unwrap()
}

fn dequantized(w: &Blocks) -> Vec<f32> {
    flat(&candle(w).dequantize(&Device::Cpu).unwrap())
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// One block, and so many that sums are long; both are whole numbers of each type's blocks.
fn widths(kind: BlockType) -> [usize; 3] {
    [kind.block_len(), 3 * kind.block_len(), 2048]
}

#[test]
fn odd_sizes_against_the_reference() {
    for kind in BlockType::ALL {
        for rows in [1, 2, 3, 4, 5, 7, 17, 40] {
            for n in [1, 3, 16, 45] {
                for k in widths(kind) {
                    let chance = 1.0 + 3.0 / ((rows * n) as f64).sqrt();
                    Case::new(kind, [rows, n, k], false, (rows + n) % 2 == 0).check(4e-3 * chance);
                }
            }
        }
    }
}

#[test]
fn rounding_x_is_the_only_loss() {
    for kind in BlockType::ALL {
        for rows in [1, 2, 3, 4, 11] {
            for k in widths(kind) {
                Case::new(kind, [rows, 21, k], true, rows % 2 == 0).check(1e-6);
            }
        }
    }
}

/// candle rounds x as GGML does: where that changes nothing, both compute the same but for the
/// order of their f32 sums.
#[test]
fn candle_computes_the_same() {
    for kind in BlockType::ALL {
        for (rows, n, k) in [(1, 32, 2048), (3, 17, 512), (20, 48, 1024)] {
            let case = Case::new(kind, [rows, n, k], true, false);
            let right = flat(&candle(&case.w).forward_on(&case.x));
            let size = norm(right.iter().map(|&x| f64::from(x)));
            for level in levels() {
                let errors = case.run(level).into_iter().zip(&right).map(|(x, y)| f64::from(x - y));
                let relative = norm(errors) / size;
                assert!(relative <= 2e-6, "{level} {kind} [{rows}, {n}, {k}]: {relative:e}");
            }
        }
    }
}

trait ForwardOn {
    fn forward_on(self, x: &Tensor) -> Tensor;
}

impl ForwardOn for QTensor {
    fn forward_on(self, x: &Tensor) -> Tensor {
        candle_core::quantized::QMatMul::from_qtensor(self).unwrap().forward(x).unwrap()
    }
}

/// Any byte is a weight, the most negative ones included.
#[test]
fn any_bytes_are_weights() {
    for kind in BlockType::ALL {
        let (n, k) = (19, 2 * kind.block_len());
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut bytes: Vec<u8> =
            (0..kind.bytes(n, k).unwrap()).map(|_| rng.random_range(0..=255)).collect();
        // Scales that are numbers of usual size, wherever the type has them.
        let halves: &[usize] = match kind {
            BlockType::Q2K => &[80, 82],
            BlockType::Q3K => &[108],
            BlockType::Q6K => &[208],
            BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
            _ => &[0],
        };
        for block in bytes.chunks_exact_mut(kind.block_bytes()) {
            for &at in halves {
                block[at + 1] = 0x28 | block[at + 1] & 0x83; // 2^-5 to 2^-4, of either sign
            }
        }
        if kind == BlockType::Q8_0 {
            bytes[2..34].fill(128); // -128
        }
        let w = Blocks::new(kind, [n, k], Arc::new(bytes)).unwrap();
        for rows in [1, 9] {
            let x = Tensor::from_vec(on_grid(rows * k, 3), (rows, k), &Device::Cpu).unwrap();
            Case { sizes: [rows, n, k], x, w: w.clone(), bias: None }.check(1e-6);
        }
    }
}

#[test]
fn rows_are_those_that_candle_dequantises() {
    for kind in BlockType::ALL {
        let (n, k) = (7, 2 * kind.block_len());
        let w = quantize(kind, n, k, 5);
        let all = dequantized(&w);
        let rows = w.rows(&[6, 0, 6]).unwrap();
        let right: Vec<f32> =
            [6, 0, 6].iter().flat_map(|&r| all[r * k..(r + 1) * k].iter().copied()).collect();
        let largest = rows.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest <= 1e-6, "{kind}: {largest:e}");
        assert!(w.rows(&[7]).unwrap_err().to_string().contains("no row 7: the matrix has 7"));
        assert!(w.rows(&[]).unwrap().is_empty());
    }
}

#[test]
fn threads_change_no_bit() {
    for kind in BlockType::ALL {
        for (rows, n, k) in [(1, 4100, 256), (4, 1025, 512), (40, 300, 512)] {
            let case = Case::new(kind, [rows, n, k], false, true);
            for level in levels() {
                let with = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    pool.unwrap().install(|| case.run(level))
                };
                let one = with(1);
                assert_eq!(one, with(2), "{level} {kind} [{rows}, {n}, {k}]");
                assert_eq!(one, with(3), "{level} {kind} [{rows}, {n}, {k}]");
            }
        }
    }
}

/// A part of a file that begins anywhere.
struct Shifted(Vec<u8>, usize);

impl AsRef<[u8]> for Shifted {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

#[test]
fn bytes_need_no_alignment() {
    for kind in BlockType::ALL {
        let case = Case::new(kind, [5, 35, 512], false, true);
        let right: Vec<_> = levels().map(|level| case.run(level)).collect();
        for shift in [1, 3] {
            let mut bytes = vec![0; shift];
            bytes.extend(case.w.bytes());
            let w = Blocks::new(kind, [35, 512], Arc::new(Shifted(bytes, shift))).unwrap();
            let (sizes, x, bias) = (case.sizes, case.x.clone(), case.bias.clone());
            let shifted = Case { sizes, x, w, bias };
            for (level, right) in levels().zip(&right) {
                assert_eq!(&shifted.run(level), right, "{level} {kind} at {shift}");
            }
        }
    }
}

#[test]
fn empty_sizes() {
    for kind in BlockType::ALL {
        for [rows, n, k] in [[0, 3, 256], [3, 0, 256], [3, 3, 0], [0, 0, 0]] {
            let x = Tensor::zeros((rows, k), candle_core::DType::F32, &Device::Cpu).unwrap();
            let bytes = vec![0u8; kind.bytes(n, k).unwrap()];
            let w = Blocks::new(kind, [n, k], Arc::new(bytes)).unwrap();
            let bias = Tensor::from_vec(random(n, 1), n, &Device::Cpu).unwrap();
            for level in levels() {
                let out = quantized_linear_with(level, &x, &w, Some(&bias)).unwrap();
                assert_eq!(out.dims(), [rows, n]);
                assert_eq!(flat(&out), flat(&bias).repeat(rows), "{level} {kind}");
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for kind in [BlockType::Q8_0, BlockType::Q4K, BlockType::Q6K, BlockType::Q4_1] {
        for rows in [2, 9] {
            let case = Case::new(kind, [rows, 18, 512], false, false);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut values = flat(&case.x);
                values[512 + 100] = bad; // in row 1
                let x = Tensor::from_vec(values, (rows, 512), &Device::Cpu).unwrap();
                for level in levels() {
                    let out = flat(&quantized_linear_with(level, &x, &case.w, None).unwrap());
                    let finite: Vec<bool> =
                        out.chunks(18).map(|row| row.iter().all(|x| x.is_finite())).collect();
                    let right: Vec<bool> = (0..rows).map(|row| row != 1).collect();
                    assert_eq!(finite, right, "{level} {kind}");
                    assert!(out[18..36].iter().all(|x| !x.is_finite()), "{level} {kind}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let zeros =
        |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu).unwrap();
    let w = Case::new(BlockType::Q8_0, [1, 4, 32], false, false).w;
    let refusal =
        |x: &Tensor, bias: Option<&Tensor>| quantized_linear(x, &w, bias).unwrap_err().to_string();
    let found = refusal(&zeros(&[2, 31]), None);
    assert!(found.contains("x must have shape [2, 32]") && found.contains("[2, 31]"), "{found}");
    let found = refusal(&zeros(&[2, 32]), Some(&zeros(&[5])));
    assert!(found.contains("bias must have shape [4]"), "{found}");
    assert!(refusal(&zeros(&[32, 2]).t().unwrap(), None).contains("x must be contiguous"));
    let half = zeros(&[2, 32]).to_dtype(candle_core::DType::F16).unwrap();
    assert!(refusal(&half, None).contains("x must be F32, found F16"));
    let refusal = |sizes, bytes: usize| {
        Blocks::new(BlockType::Q4K, sizes, Arc::new(vec![0u8; bytes])).unwrap_err().to_string()
    };
    let found = refusal([2, 896], 1);
    assert!(found.contains("896") && found.contains("q4_k") && found.contains("256"), "{found}");
    assert!(refusal([2, 256], 287).contains("must hold 288 values, found 287"));
    assert!(refusal([usize::MAX, 256], 0).contains("does not fit in memory"));
}

#[test]
fn names_are_those_of_llama_cpp() {
    for kind in BlockType::ALL {
        assert_eq!(kind.to_string().parse::<BlockType>().unwrap(), kind);
    }
    let found = "q9_9".parse::<BlockType>().unwrap_err().to_string();
    assert!(found.contains("\"q9_9\"") && found.contains("q4_k, "), "{found}");
}
