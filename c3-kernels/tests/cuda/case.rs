//! One attention: its input, its result on the emulator, and the right one.

use std::collections::BTreeMap;

use c3_emulator::{Error, Memory, Stats};
use c3_kernels::attention::AttentionShape;
use c3_kernels::cuda::{AttentionPlan, AttentionViews, Buffer};
use c3_kernels::reference::AttentionOutput;
use c3_kernels::{Activations, Attention, reference};
use candle_core::DType;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::device::{Manner, Modules, decode, relative_rms, round};
use crate::layout::{Layout, place};

#[derive(Clone, Debug)]
pub struct Case {
    pub shape: AttentionShape,
    pub options: Attention,
    pub dtype: DType,
    pub layout: Layout,
    pub splits: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// What the kernels found.
pub struct Found {
    pub values: Vec<f32>,
    pub log_sum_exp: Vec<f32>,
    pub stats: Vec<Stats>,
}

impl Case {
    /// Scores spread over several units, so that the softmax is neither flat nor one-hot.
    pub fn random(shape: AttentionShape, dtype: DType, causal: bool, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |n: usize| -> Vec<f32> {
            let values: Vec<f32> = (0..n).map(|_| rng.random_range(-2f32..2.0)).collect();
            round(dtype, &values)
        };
        let AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = shape;
        let scale = (head_dim as f32).sqrt().recip();
        let kv = batch * kv_heads * keys * head_dim;
        Self {
            shape,
            options: Attention { scale, causal, first_key: vec![], activations: Activations::F32 },
            dtype,
            layout: Layout::Contiguous,
            splits: 1,
            q: values(batch * queries * heads * head_dim),
            k: values(kv),
            v: values(kv),
        }
    }

    /// Makes a value of this key NaN.
    pub fn spoil_key(&mut self, key: usize) {
        self.k[key * self.shape.head_dim + 3] = f32::NAN;
    }

    pub fn reference(&self) -> AttentionOutput {
        reference::attention(&self.q, &self.k, &self.v, &self.shape, &self.options).unwrap()
    }

    pub fn run(&self, modules: &Modules, manner: Manner) -> Result<Found, Error> {
        let AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = self.shape;
        let q = place(self.dtype, &self.q, [batch, queries, heads, head_dim], self.layout);
        let kv = [batch, kv_heads, keys, head_dim];
        let k = place(self.dtype, &self.k, kv, self.layout);
        let v = place(self.dtype, &self.v, kv, self.layout.other());
        let views = AttentionViews {
            dtype: self.dtype,
            q: q.strides,
            k: k.strides,
            v: v.strides,
            aligned: q.aligned && k.aligned && v.aligned,
        };
        let plan =
            AttentionPlan::with_splits(&self.shape, &self.options, &views, self.splits, true);
        let plan = plan.unwrap();
        let mut memory = Memory::new();
        let mut buffers = BTreeMap::new();
        for (buffer, placed) in [(Buffer::X, &q), (Buffer::K, &k), (Buffer::V, &v)] {
            buffers.insert(buffer, memory.alloc_read_only(&placed.bytes).offset(placed.offset));
        }
        let first: Vec<i32> = self.options.first_key.iter().map(|&key| key as i32).collect();
        buffers.insert(Buffer::FirstKey, memory.alloc_read_only(&first));
        let width = head_dim * self.dtype.size_in_bytes();
        buffers.insert(Buffer::Out, memory.alloc_uninit(plan.rows * width));
        buffers.insert(Buffer::LogSumExp, memory.alloc_uninit(plan.rows * 4));
        let parts = plan.splits * plan.rows * 4;
        buffers.insert(Buffer::PartValues, memory.alloc_uninit(parts * head_dim));
        buffers.insert(Buffer::PartLogSumExp, memory.alloc_uninit(parts));
        let mut stats = vec![];
        for launch in &plan.launches {
            stats.push(modules.launch(launch, &memory, &buffers, manner)?);
        }
        let values = decode(self.dtype, &memory.read::<u8>(buffers[&Buffer::Out])?);
        let log_sum_exp = decode(DType::F32, &memory.read::<u8>(buffers[&Buffer::LogSumExp])?);
        Ok(Found { values, log_sum_exp, stats })
    }

    /// What is wrong with the result, if anything is; else its relative RMS error.
    pub fn judge(&self, found: &Found) -> Result<f64, String> {
        let right = self.reference();
        let error = relative_rms(&found.values, &right.values);
        if error.is_nan() || error > tolerance(self.dtype) {
            return Err(format!("relative RMS error {error:e}"));
        }
        for (row, (&found, &right)) in found.log_sum_exp.iter().zip(&right.log_sum_exp).enumerate()
        {
            let found = f64::from(found);
            // Tensor cores may cut off what they add.
            let close = (found - right).abs() <= 1e-4 * (1.0 + right.abs());
            if found != right && !close {
                return Err(format!("log-sum-exp {row} is {found}, expected {right}"));
            }
        }
        let unseen = right.log_sum_exp.iter().zip(found.values.chunks(self.shape.head_dim));
        for (lse, values) in unseen {
            if *lse == f64::NEG_INFINITY && values.iter().any(|&x| x != 0.0) {
                return Err("a query that sees no key has no zeros".into());
            }
        }
        Ok(error)
    }

    pub fn check(&self, modules: &Modules, manner: Manner) -> f64 {
        let found = self.run(modules, manner);
        let found = found.unwrap_or_else(|error| panic!("{self} {manner:?}: {error}"));
        self.judge(&found).unwrap_or_else(|error| panic!("{self} {manner:?}: {error}"))
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shape, options, dtype, layout, splits, .. } = self;
        write!(f, "{dtype:?} {shape:?} {options:?} {layout:?} in {splits} splits")
    }
}

/// Largest relative RMS error: what rounding probabilities and the result to 16 bits costs, or what
/// sums in f32 do.
pub fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 6e-4,
        DType::BF16 => 4e-3,
        _ => 2e-6,
    }
}
