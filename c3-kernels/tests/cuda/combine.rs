//! Attentions over different segments of the keys, joined; and keys far apart in memory.

use std::collections::BTreeMap;

use c3_emulator::{Memory, MmaRounding};
use c3_kernels::attention::AttentionShape;
use c3_kernels::cuda::{AttentionPlan, AttentionViews, Buffer, combine};
use c3_kernels::{Activations, Attention, reference};
use candle_core::DType;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::case::tolerance;
use crate::device::{Manner, Modules, decode, encode, relative_rms, round};

const PLAIN: Manner = Manner { mma: MmaRounding::Exact, warp_order: 0 };

fn random(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-2f32..2.0)).collect()
}

/// Any number of parts, among them some that have seen no key: as devices with a segment each would
/// send them.
#[test]
fn parts_of_segments() {
    check(&Modules::new(), &[DType::F32, DType::F16, DType::BF16], &[64, 128]);
}

pub fn check(modules: &Modules, dtypes: &[DType], head_dims: &[usize]) {
    for (i, parts) in [1, 2, 5, 31, 33, 70].into_iter().enumerate() {
        for &head_dim in head_dims {
            for &dtype in dtypes {
                let rows = 1 + i * 2;
                let values = random(parts * rows * head_dim, 1);
                let mut lse: Vec<f32> =
                    random(parts * rows, 2).into_iter().map(|x| x * 20.0).collect();
                lse.iter_mut().skip(1).step_by(3).for_each(|x| *x = f32::NEG_INFINITY);
                // The last row has seen none at all.
                lse.iter_mut().skip(rows - 1).step_by(rows).for_each(|x| *x = f32::NEG_INFINITY);
                let (right, right_lse) = joined(&values, &lse, rows, head_dim);

                let launch = combine(dtype, head_dim, parts, rows, true).unwrap();
                let mut memory = Memory::new();
                let buffers = BTreeMap::from([
                    (Buffer::PartValues, memory.alloc_read_only(&values)),
                    (Buffer::PartLogSumExp, memory.alloc_read_only(&lse)),
                    (Buffer::Out, memory.alloc_uninit(rows * head_dim * dtype.size_in_bytes())),
                    (Buffer::LogSumExp, memory.alloc_uninit(rows * 4)),
                ]);
                modules.launch(&launch, &memory, &buffers, PLAIN).unwrap();
                let found = decode(dtype, &memory.read::<u8>(buffers[&Buffer::Out]).unwrap());
                let found_lse: Vec<f32> = memory.read(buffers[&Buffer::LogSumExp]).unwrap();
                let error = relative_rms(&found, &right);
                assert!(error <= tolerance(dtype), "{dtype:?} {parts} parts: {error:e}");
                for (&found, &right) in found_lse.iter().zip(&right_lse) {
                    let close = (f64::from(found) - right).abs() <= 1e-5 * (1.0 + right.abs());
                    assert!(f64::from(found) == right || close, "{found}, expected {right}");
                }
            }
        }
    }
}

/// What combining must give, in 64 bits.
fn joined(values: &[f32], lse: &[f32], rows: usize, head_dim: usize) -> (Vec<f64>, Vec<f64>) {
    let mut out = vec![0f64; rows * head_dim];
    let mut out_lse = vec![f64::NEG_INFINITY; rows];
    for row in 0..rows {
        let own: Vec<f64> = lse.iter().skip(row).step_by(rows).map(|&x| f64::from(x)).collect();
        let sum: f64 = own.iter().map(|x| x.exp()).sum();
        if sum == 0.0 {
            continue;
        }
        out_lse[row] = sum.ln();
        for (part, lse) in own.iter().enumerate() {
            let values = &values[(part * rows + row) * head_dim..][..head_dim];
            for (out, &value) in out[row * head_dim..].iter_mut().zip(values) {
                *out += lse.exp() / sum * f64::from(value);
            }
        }
    }
    (out, out_lse)
}

/// Every key in a buffer of its own: the emulator's lie 16 GiB apart, so that offsets are beyond 32
/// bits from the second key on, as with a million keys of a large cache.
pub fn far_apart(modules: &Modules, dtype: DType) -> Result<(), String> {
    let shape =
        AttentionShape { batch: 1, queries: 2, heads: 2, kv_heads: 1, keys: 6, head_dim: 64 };
    let options =
        Attention { scale: 0.125, causal: true, first_key: vec![], activations: Activations::F32 };
    let [q, k, v] = [2 * 2, 6, 6].map(|rows| round(dtype, &random(rows * 64, rows as u64)));
    let mut memory = Memory::new();
    let mut scattered = |values: &[f32]| -> Vec<_> {
        values.chunks(64).map(|row| memory.alloc_read_only(&encode(dtype, row))).collect()
    };
    let (ks, vs) = (scattered(&k), scattered(&v));
    let apart = |rows: &[c3_emulator::DevicePtr]| {
        let steps = rows.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(steps.clone().all(|step| step == rows[1].0 - rows[0].0 && step > 1 << 33));
        (rows[1].0 - rows[0].0) as usize / dtype.size_in_bytes()
    };
    let views = AttentionViews {
        dtype,
        q: [256, 128, 64],
        k: [0, 0, apart(&ks)],
        v: [0, 0, apart(&vs)],
        aligned: true,
    };
    let plan = AttentionPlan::with_splits(&shape, &options, &views, 1, false).unwrap();
    let buffers = BTreeMap::from([
        (Buffer::X, memory.alloc_read_only(&encode(dtype, &q))),
        (Buffer::K, ks[0]),
        (Buffer::V, vs[0]),
        (Buffer::Out, memory.alloc_uninit(plan.rows * 64 * dtype.size_in_bytes())),
    ]);
    for launch in &plan.launches {
        modules.launch(launch, &memory, &buffers, PLAIN).map_err(|error| error.to_string())?;
    }
    let found = memory.read::<u8>(buffers[&Buffer::Out]).map_err(|error| error.to_string())?;
    let right = reference::attention(&q, &k, &v, &shape, &options).unwrap();
    let error = relative_rms(&decode(dtype, &found), &right.values);
    match error <= tolerance(dtype) {
        true => Ok(()),
        false => Err(format!("relative RMS error {error:e}")),
    }
}

#[test]
fn offsets_beyond_32_bits() {
    let modules = Modules::new();
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        far_apart(&modules, dtype).unwrap();
    }
}
