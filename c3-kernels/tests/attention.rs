//! Attention at every level against the 64-bit reference, on random input and at odd sizes.
//!
//! Tolerance: relative RMS error 1e-6 over the whole result, and no element further off than 1e-5
//! times the RMS of the right ones, where nothing is rounded to bf16.

use c3_kernels::attention::AttentionShape;
use c3_kernels::{Activations, Attention, Level, Unit, attention, attention_with, reference};
use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Case {
    shape: AttentionShape,
    options: Attention,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Case {
    /// Scores spread over several units, so that the softmax is neither flat nor one-hot.
    fn random(shape: AttentionShape, causal: bool, first_key: Vec<usize>, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |n: usize| (0..n).map(|_| rng.random_range(-2f32..2.0)).collect();
        let scale = (shape.head_dim as f32).sqrt().recip();
        let kv = shape.batch * shape.kv_heads * shape.keys * shape.head_dim;
        Self {
            shape,
            options: Attention { scale, causal, first_key, activations: Activations::F32 },
            q: values(shape.batch * shape.queries * shape.heads * shape.head_dim),
            k: values(kv),
            v: values(kv),
        }
    }

    fn tensors(&self) -> [Tensor; 3] {
        let AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = self.shape;
        let kv = (batch, kv_heads, keys, head_dim);
        let device = &Device::Cpu;
        [
            Tensor::from_slice(&self.q, (batch, queries, heads, head_dim), device).unwrap(),
            Tensor::from_slice(&self.k, kv, device).unwrap(),
            Tensor::from_slice(&self.v, kv, device).unwrap(),
        ]
    }

    fn run(&self, unit: impl Into<Unit>) -> Vec<f32> {
        let [q, k, v] = self.tensors();
        flat(&attention_with(unit, &q, &k, &v, &self.options).unwrap())
    }

    fn reference(&self) -> Vec<f64> {
        reference::attention(&self.q, &self.k, &self.v, &self.shape, &self.options).unwrap().values
    }

    fn check(&self) {
        let right = self.reference();
        for level in levels() {
            assert_close(&self.run(level), &right, 1e-6, &format!("{level} {:?}", self.shape));
        }
    }
}

/// Where rounding is allowed, queries, keys, values and weights are each off by 2⁻⁹ at most, and what
/// queries and keys are off by counts as often as the score is large: relative RMS 6e-3.
#[test]
fn rounded_to_bf16() {
    let units: Vec<Unit> =
        Unit::ALL.into_iter().filter(|&unit| unit != Unit::Tiles && unit.is_available()).collect();
    let mut seed = 100;
    for queries in [1, 3, 9, 32, 33, 100] {
        for keys in [1, 15, 63, 64, 65, 127, 257, 1000, 5003] {
            for (heads, kv_heads) in HEADS {
                seed += 1;
                let head_dim = [7, 8, 17, 48, 64, 80, 96, 128][seed as usize % 8];
                if queries * keys * head_dim > 4_000_000 {
                    continue;
                }
                let shape = AttentionShape { batch: 2, queries, heads, kv_heads, keys, head_dim };
                let first = vec![0, keys / 3];
                let mut case = Case::random(shape, seed % 3 != 0, first, seed);
                case.options.activations = Activations::Bf16;
                let right = case.reference();
                for &unit in &units {
                    let found = case.run(unit);
                    assert_close(&found, &right, 6e-3, &format!("{unit} {shape:?}"));
                }
            }
        }
    }
    let [q, k, v] = {
        let shape =
            AttentionShape { batch: 1, queries: 9, heads: 2, kv_heads: 1, keys: 9, head_dim: 4 };
        Case::random(shape, true, vec![], 1).tensors()
    };
    let exact =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    for unit in [Unit::Bf16Pairs, Unit::Tiles] {
        let found = attention_with(unit, &q, &k, &v, &exact).unwrap_err().to_string();
        assert!(found.contains("attention: unit") && found.contains("F32 activations"), "{found}");
    }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    assert!(tensor.is_contiguous());
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(found: &[f32], right: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), right.len(), "{what}");
    let square = right.iter().map(|x| x * x).sum::<f64>();
    let errors = found.iter().zip(right).map(|(&x, &y)| f64::from(x) - y);
    let (sum, worst) = errors.fold((0f64, 0f64), |(s, w), e| (s + e * e, w.max(e.abs())));
    let relative = (sum / square.max(f64::MIN_POSITIVE)).sqrt();
    let rms = (square / right.len().max(1) as f64).sqrt();
    assert!(relative <= tolerance, "{what}: relative RMS error {relative:e}");
    assert!(worst <= 10.0 * tolerance * rms, "{what}: absolute error {worst:e} with RMS {rms:e}");
}

const HEADS: [(usize, usize); 4] = [(12, 2), (16, 2), (4, 4), (6, 2)];

#[test]
fn odd_sizes() {
    let mut seed = 0;
    for queries in [1, 2, 7, 8, 33] {
        for keys in [1, 15, 16, 17, 31, 33, 127, 257, 1000] {
            for (h, (heads, kv_heads)) in HEADS.into_iter().enumerate() {
                seed += 1;
                // Head widths and batch sizes take turns, so that each meets each in time.
                let head_dim = [8, 16, 48, 64, 80, 96, 128][seed as usize % 7];
                let batch = if queries * keys > 4000 { 1 } else { 1 + (seed as usize + h) % 3 };
                let shape = AttentionShape { batch, queries, heads, kv_heads, keys, head_dim };
                Case::random(shape, seed % 3 != 0, vec![], seed).check();
            }
        }
    }
}

#[test]
fn every_head_width() {
    for head_dim in 1..=20 {
        for (queries, heads, kv_heads) in [(1, 1, 1), (3, 4, 2), (9, 3, 1)] {
            let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys: 40, head_dim };
            Case::random(shape, true, vec![], head_dim as u64).check();
        }
    }
}

#[test]
fn many_queries() {
    for (keys, heads, kv_heads, head_dim) in
        [(512, 4, 4, 64), (257, 6, 2, 16), (1000, 6, 2, 8), (17, 4, 4, 48)]
    {
        for causal in [true, false] {
            let shape = AttentionShape { batch: 1, queries: 512, heads, kv_heads, keys, head_dim };
            Case::random(shape, causal, vec![], keys as u64).check();
        }
    }
}

#[test]
fn keys_in_splits() {
    // More than one split for few rows, for one block of rows and for two.
    for (queries, head_dim) in [(1, 64), (8, 32), (50, 16)] {
        for (heads, kv_heads) in [(4, 4), (12, 2)] {
            let shape = AttentionShape { batch: 1, queries, heads, kv_heads, keys: 5003, head_dim };
            Case::random(shape, true, vec![], queries as u64).check();
        }
    }
}

#[test]
fn padding_on_the_left() {
    for queries in [1, 5, 40] {
        for (heads, kv_heads) in HEADS {
            let shape =
                AttentionShape { batch: 3, queries, heads, kv_heads, keys: 100, head_dim: 16 };
            for first_key in [vec![0, 13, 64], vec![99, 100, 62], vec![1, 2, 3]] {
                for causal in [true, false] {
                    Case::random(shape, causal, first_key.clone(), 7).check();
                }
            }
        }
    }
}

#[test]
fn padding_changes_no_bit() {
    for (queries, keys) in [(1, 300), (7, 100), (40, 2500), (200, 700)] {
        for (heads, kv_heads) in [(4, 4), (12, 2)] {
            let shape = AttentionShape { batch: 2, queries, heads, kv_heads, keys, head_dim: 32 };
            let case = Case::random(shape, true, vec![0, 37], 3);
            let [q, k, v] = case.tensors();
            let alone = |t: &Tensor| t.narrow(0, 1, 1).unwrap();
            let text = |t: &Tensor| alone(t).narrow(2, 37, keys - 37).unwrap();
            let options = Attention { first_key: vec![], ..case.options.clone() };
            for level in levels() {
                let padded = attention_with(level, &q, &k, &v, &case.options).unwrap();
                let plain =
                    attention_with(level, &alone(&q), &text(&k), &text(&v), &options).unwrap();
                assert_eq!(flat(&alone(&padded).contiguous().unwrap()), flat(&plain), "{level}");
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for (queries, keys) in [(1, 40_000), (8, 9000), (64, 2500), (600, 600)] {
        let shape = AttentionShape { batch: 2, queries, heads: 6, kv_heads: 2, keys, head_dim: 16 };
        let case = Case::random(shape, true, vec![], 5);
        for level in levels() {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| case.run(level))
            };
            let one = with(1);
            assert_eq!(one, with(2), "{level}");
            assert_eq!(one, with(3), "{level}");
        }
    }
}

#[test]
fn views_of_a_cache() {
    let (batch, queries, heads, kv_heads, keys, head_dim) = (2, 6, 4, 2, 50, 24);
    let shape = AttentionShape { batch, queries, heads, kv_heads, keys, head_dim };
    let case = Case::random(shape, true, vec![3, 0], 11);
    let [q, k, v] = case.tensors();
    let right = case.run(Level::Portable);
    // The cache has room for more keys, rows and heads; q comes transposed, from [.., heads, queries, ..].
    let cache = |t: &Tensor| {
        let t = t.pad_with_zeros(2, 5, 9).unwrap().pad_with_zeros(0, 1, 1).unwrap();
        let t = t.pad_with_zeros(1, 0, 1).unwrap().contiguous().unwrap();
        let t = t.narrow(0, 1, batch).unwrap().narrow(1, 0, kv_heads).unwrap();
        t.narrow(2, 5, keys).unwrap()
    };
    let (k, v) = (cache(&k), cache(&v));
    let q = q.transpose(1, 2).unwrap().contiguous().unwrap().transpose(1, 2).unwrap();
    assert!(!k.is_contiguous() && !q.is_contiguous());
    let found = attention_with(Level::Portable, &q, &k, &v, &case.options).unwrap();
    assert_eq!(flat(&found), right);
}

#[test]
fn huge_scores_and_empty_sizes() {
    let shape =
        AttentionShape { batch: 1, queries: 9, heads: 2, kv_heads: 1, keys: 70, head_dim: 16 };
    let mut case = Case::random(shape, true, vec![], 1);
    // Exponents would overflow if the maximum weren't taken away. A score of some hundreds is exact
    // to some 1e-5 only, hence the wider tolerance.
    case.options.scale = 30.0;
    for level in levels() {
        let found = case.run(level);
        assert!(found.iter().all(|x| x.is_finite()), "{level}");
        assert_close(&found, &case.reference(), 1e-4, level.name());
    }
    for (batch, queries, keys) in [(0, 3, 3), (2, 0, 3), (2, 3, 0)] {
        let shape = AttentionShape { batch, queries, heads: 2, kv_heads: 1, keys, head_dim: 4 };
        let case = Case::random(shape, false, vec![], 1);
        for level in levels() {
            assert_eq!(case.run(level), vec![0.0; batch * queries * 8], "{level}");
        }
    }
}

#[test]
fn a_nan_is_not_hidden() {
    for queries in [1, 20] {
        let shape =
            AttentionShape { batch: 1, queries, heads: 2, kv_heads: 1, keys: 30, head_dim: 16 };
        for place in [0, 29] {
            let mut case = Case::random(shape, false, vec![], 1);
            case.k[place * 16 + 3] = f32::NAN;
            for level in levels() {
                assert!(case.run(level).iter().all(|x| x.is_nan()), "{level}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = &Device::Cpu;
    let tensor = |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, device).unwrap();
    let options =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    let refusal = |q: &Tensor, k: &Tensor, v: &Tensor, options: &Attention| {
        attention(q, k, v, options).unwrap_err().to_string()
    };
    let (q, kv) = (tensor(&[2, 3, 4, 8]), tensor(&[2, 2, 5, 8]));

    let three = tensor(&[2, 3, 32]);
    assert!(refusal(&three, &kv, &kv, &options).contains("q must be [batch, queries, heads"));
    let narrow = tensor(&[2, 2, 5, 4]);
    let found = refusal(&q, &kv, &narrow, &options);
    assert!(found.contains("v must have shape [2, 2, 5, 8]"), "{found}");
    assert!(found.contains("found [2, 2, 5, 4]"), "{found}");
    let three_heads = tensor(&[2, 3, 5, 8]);
    assert!(refusal(&q, &three_heads, &three_heads, &options).contains("4 query heads"));
    let half = kv.to_dtype(candle_core::DType::F16).unwrap();
    assert!(refusal(&q, &half, &kv, &options).contains("k must be F32, found F16"));
    let endless = tensor(&[1, 1, 1, 8]).expand(&[2, 1 << 40, 1 << 30, 8]).unwrap();
    let one = tensor(&[2, 1, 1, 8]);
    assert!(refusal(&endless, &one, &one, &options).contains("does not fit in memory"));
    let turned = tensor(&[2, 2, 8, 5]).transpose(2, 3).unwrap();
    assert!(refusal(&q, &turned, &kv, &options).contains("contiguous in its last dimension"));
    let short = Attention { first_key: vec![0], ..options.clone() };
    assert!(refusal(&q, &kv, &kv, &short).contains("first_key has 1 entries"));
    let far = Attention { first_key: vec![0, 6], ..options.clone() };
    assert!(refusal(&q, &kv, &kv, &far).contains("first_key of row 1 is 6"));
    if let Some(level) = Level::ALL.into_iter().find(|level| !level.is_available()) {
        let found = attention_with(level, &q, &kv, &kv, &options).unwrap_err().to_string();
        assert!(found.contains(level.name()), "{found}");
    }
}

#[test]
fn log_sum_exp_of_the_reference() {
    let shape =
        AttentionShape { batch: 1, queries: 2, heads: 1, kv_heads: 1, keys: 2, head_dim: 1 };
    let options =
        Attention { scale: 0.5, causal: true, first_key: vec![], activations: Activations::F32 };
    let found =
        reference::attention(&[2.0, 4.0], &[1.0, 3.0], &[10.0, 20.0], &shape, &options).unwrap();
    // Query 0 sees key 0 only, with score 1; query 1 has scores 2 and 6.
    let weight = 1.0 / (1.0 + 4f64.exp());
    assert!((found.values[0] - 10.0).abs() < 1e-12);
    assert!((found.values[1] - (20.0 - 10.0 * weight)).abs() < 1e-12);
    assert!((found.log_sum_exp[0] - 1.0).abs() < 1e-12);
    assert!((found.log_sum_exp[1] - (2f64.exp() + 6f64.exp()).ln()).abs() < 1e-12);
}
