//! The linear layer at every level and dtype against the 64-bit reference on the stored weights.
//!
//! Tolerance: RMS error 1e-6 over the whole result, relative to the RMS of such products:
//! `‖x‖ ‖w‖ / √k`, or the result's own where that is larger. (A single product may cancel.)

use c3_kernels::{Level, linear, linear_with, reference};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

struct Case {
    sizes: [usize; 3],
    x: Tensor,
    w: Tensor,
    bias: Option<Tensor>,
}

impl Case {
    fn random([rows, n, k]: [usize; 3], dtype: DType, with_bias: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64((rows * 31 + n * 7 + k) as u64);
        let mut tensor = |dims: &[usize]| {
            let count = dims.iter().product();
            let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1f32..1.0)).collect();
            Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
        };
        let x = tensor(&[rows, k]);
        let w = tensor(&[n, k]).to_dtype(dtype).unwrap();
        let bias = with_bias.then(|| tensor(&[n]));
        Self { sizes: [rows, n, k], x, w, bias }
    }

    fn run(&self, level: Level) -> Vec<f32> {
        let out = linear_with(level, &self.x, &self.w, self.bias.as_ref()).unwrap();
        assert_eq!(out.dims(), &self.sizes[..2]);
        flat(&out)
    }

    fn check(&self) {
        let w = flat(&self.w.to_dtype(DType::F32).unwrap());
        let bias = self.bias.as_ref().map(flat);
        let right = reference::linear(&flat(&self.x), &w, bias.as_deref(), self.sizes).unwrap();
        let of = |values: &[f32]| norm(values.iter().map(|&x| f64::from(x)));
        let usual = of(&flat(&self.x)) * of(&w) / (self.sizes[2] as f64).sqrt();
        for level in levels() {
            let found = self.run(level);
            let errors = found.iter().zip(&right).map(|(&x, y)| f64::from(x) - y);
            let relative = norm(errors) / norm(right.iter().copied()).max(usual);
            let (dtype, sizes) = (self.w.dtype(), self.sizes);
            assert!(
                relative <= 1e-6,
                "{level} {dtype:?} {sizes:?}: relative RMS error {relative:e}"
            );
        }
    }
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

#[test]
fn odd_sizes() {
    for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 50] {
        for n in [1, 3, 16, 65, 300] {
            for k in [1, 15, 16, 17, 33, 256] {
                for dtype in DTYPES {
                    Case::random([rows, n, k], dtype, (rows + n + k) % 2 == 0).check();
                }
            }
        }
    }
}

#[test]
fn more_than_one_panel() {
    for (rows, n, k) in [(1, 1200, 256), (7, 700, 64), (20, 1100, 40), (33, 70, 20_000)] {
        for dtype in DTYPES {
            Case::random([rows, n, k], dtype, true).check();
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for sizes in [[1, 8192, 256], [5, 2000, 256], [64, 1500, 256], [200, 300, 700]] {
        for dtype in DTYPES {
            let case = Case::random(sizes, dtype, true);
            for level in levels() {
                let with = |threads: usize| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| case.run(level))
                };
                let one = with(1);
                assert_eq!(one, with(2), "{level} {sizes:?}");
                assert_eq!(one, with(3), "{level} {sizes:?}");
            }
        }
    }
}

#[test]
fn outer_dimensions_and_views() {
    let case = Case::random([6, 10, 24], DType::BF16, true);
    let right = case.run(Level::detect());
    let x = case.x.reshape((2, 3, 24)).unwrap();
    let out = linear(&x, &case.w, case.bias.as_ref()).unwrap();
    assert_eq!(out.dims(), [2, 3, 10]);
    assert_eq!(flat(&out), right);
    // The last rows of a larger tensor: contiguous, but not from its beginning.
    let larger = Tensor::cat(&[&case.x, &case.x], 0).unwrap().narrow(0, 6, 6).unwrap();
    assert_eq!(flat(&linear(&larger, &case.w, case.bias.as_ref()).unwrap()), right);
}

#[test]
fn empty_sizes() {
    for [rows, n, k] in [[0, 3, 4], [3, 0, 4], [3, 3, 0], [20, 3, 0]] {
        for dtype in DTYPES {
            let case = Case::random([rows, n, k], dtype, true);
            let bias = flat(case.bias.as_ref().unwrap());
            for level in levels() {
                assert_eq!(case.run(level), bias.repeat(rows), "{level} {:?}", case.sizes);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = &Device::Cpu;
    let tensor = |dims: &[usize]| Tensor::zeros(dims, DType::F32, device).unwrap();
    let refusal =
        |x: &Tensor, w: &Tensor, bias: Option<&Tensor>| linear(x, w, bias).unwrap_err().to_string();
    let (x, w) = (tensor(&[2, 8]), tensor(&[4, 8]));
    let found = refusal(&tensor(&[2, 7]), &w, None);
    assert!(found.contains("x must have shape [2, 8]") && found.contains("[2, 7]"), "{found}");
    assert!(refusal(&x, &tensor(&[4, 2, 4]), None).contains("w must be [n, k]"));
    let found = refusal(&x, &w, Some(&tensor(&[5])));
    assert!(found.contains("bias must have shape [4]"), "{found}");
    let turned = tensor(&[8, 4]).t().unwrap();
    assert!(refusal(&x, &turned, None).contains("w must be contiguous"));
    let whole = w.to_dtype(DType::U8).unwrap();
    assert!(refusal(&x, &whole, None).contains("w must be F32, F16 or BF16, found U8"));
    // Nothing is in these tensors, but their product would have 2^80 values.
    let long = tensor(&[1 << 40, 0]);
    assert!(refusal(&long, &long, None).contains("does not fit in memory"));
    let half = x.to_dtype(DType::F16).unwrap();
    assert!(refusal(&half, &w, None).contains("x must be F32, found F16"));
}
