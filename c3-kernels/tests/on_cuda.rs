//! The operations on a CUDA device against the same on the CPU: candle's device, the driver, memory
//! and launches, whose kernels `cuda` tests one by one. Needs a device, or a driver that stands for one.
#![cfg(feature = "cuda")]

use c3_kernels::{Activations, Attention, arg_max, attention, linear, rope, swiglu};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

fn device() -> Device {
    Device::new_cuda(0).unwrap()
}

/// Random values that the type can hold, as f32 on the CPU.
fn random(dims: &[usize], dtype: DType, seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..dims.iter().product()).map(|_| rng.random_range(-2f32..2.0)).collect();
    let tensor = Tensor::from_vec::<_, f32>(values, dims, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap()
}

/// The same values on the device.
fn on(device: &Device, tensor: &Tensor, dtype: DType) -> Tensor {
    tensor.to_dtype(dtype).unwrap().to_device(device).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(found: &Tensor, right: &Tensor, what: &str) {
    assert_eq!(found.dims(), right.dims(), "{what}");
    let tolerance = match found.dtype() {
        DType::F16 => 6e-4,
        DType::BF16 => 4e-3,
        _ => 3e-6,
    };
    let (found, right) = (flat(found), flat(right));
    let square: f64 = right.iter().map(|&x| f64::from(x).powi(2)).sum();
    let error: f64 =
        found.iter().zip(&right).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
    let relative = (error / square.max(f64::MIN_POSITIVE)).sqrt();
    assert!(relative <= tolerance, "{what}: relative RMS error {relative:e}");
}

#[test]
fn attention_over_views_of_a_cache() {
    let device = device();
    for dtype in DTYPES {
        for (batch, queries, heads, kv_heads, keys, head_dim, first_key) in [
            (1, 9, 12, 2, 300, 128, vec![]),
            (2, 1, 4, 1, 1000, 64, vec![0, 77]),
            (1, 150, 2, 2, 150, 64, vec![]),
        ] {
            let q = random(&[batch, queries, heads, head_dim], dtype, 1);
            let [k, v] =
                [2, 3].map(|seed| random(&[batch, kv_heads, keys + 20, head_dim], dtype, seed));
            let options = Attention {
                scale: (head_dim as f32).powf(-0.5),
                causal: true,
                first_key,
                activations: Activations::F32,
            };
            let part = |cache: &Tensor| cache.narrow(2, 3, keys).unwrap();
            let right = attention(&q, &part(&k), &part(&v), &options).unwrap();
            let [q, k, v] = [q, k, v].map(|tensor| on(&device, &tensor, dtype));
            let found = attention(&q, &part(&k), &part(&v), &options).unwrap();
            assert_close(&found, &right, &format!("{dtype:?} {queries} × {keys}"));
        }
    }
}

#[test]
fn rope_of_some_heads() {
    let device = device();
    for dtype in DTYPES {
        let all = random(&[2, 5, 8, 64], dtype, 1);
        let angles = random(&[2, 5, 32], DType::F32, 2);
        let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
        let some = |x: &Tensor| x.narrow(2, 1, 3).unwrap();
        let right = rope(&some(&all), &cos, &sin).unwrap();
        let [cos, sin] = [cos, sin].map(|tensor| on(&device, &tensor, DType::F32));
        let found = rope(&some(&on(&device, &all, dtype)), &cos, &sin).unwrap();
        assert_close(&found, &right, &format!("{dtype:?}"));
    }
}

#[test]
fn gate_and_largest() {
    let device = device();
    for dtype in DTYPES {
        let x = random(&[7, 300], dtype, 1);
        let there = on(&device, &x, dtype);
        assert_close(&swiglu(&there).unwrap(), &swiglu(&x).unwrap(), &format!("{dtype:?}"));
        // Part of the rows: a tensor that begins within its memory.
        let right = arg_max(&x.narrow(0, 2, 4).unwrap()).unwrap();
        assert_eq!(arg_max(&there.narrow(0, 2, 4).unwrap()).unwrap(), right, "{dtype:?}");
    }
}

#[test]
fn linear_with_and_without_bias() {
    let device = device();
    for dtype in DTYPES {
        let (x, w) = (random(&[2, 3, 64], dtype, 1), random(&[10, 64], dtype, 2));
        let bias = random(&[10], dtype, 3);
        let right = [linear(&x, &w, None).unwrap(), linear(&x, &w, Some(&bias)).unwrap()];
        let [x, w, bias] = [x, w, bias].map(|tensor| on(&device, &tensor, dtype));
        let found = [linear(&x, &w, None).unwrap(), linear(&x, &w, Some(&bias)).unwrap()];
        for (found, right) in found.iter().zip(&right) {
            assert_close(found, right, &format!("{dtype:?}"));
        }
    }
}

#[test]
fn nothing_at_all() {
    let device = device();
    // Drivers allocate no 0 bytes, so nothing is a part of something.
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::BF16, &device).unwrap();
    let options =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    let (q, kv) = (zeros(&[1, 1, 2, 64]), zeros(&[1, 1, 5, 64]));
    let none = q.narrow(1, 0, 0).unwrap();
    assert_eq!(attention(&none, &kv, &kv, &options).unwrap().dims(), [1, 0, 2, 64]);
    let no_keys = kv.narrow(2, 0, 0).unwrap();
    assert_eq!(flat(&attention(&q, &no_keys, &no_keys, &options).unwrap()), [0.0; 128]);
    let no_rows = zeros(&[1, 8]).narrow(0, 0, 0).unwrap();
    assert_eq!(swiglu(&no_rows).unwrap().dims(), [0, 4]);
    assert_eq!(arg_max(&no_rows).unwrap(), []);
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = device();
    let zeros = |dims: &[usize], dtype| Tensor::zeros(dims, dtype, &device).unwrap();
    let options =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    let refusal = |head_dim: usize, dtypes: [DType; 2]| {
        let q = zeros(&[1, 1, 2, head_dim], dtypes[0]);
        let kv = zeros(&[1, 1, 3, head_dim], dtypes[1]);
        attention(&q, &kv, &kv, &options).unwrap_err().to_string()
    };
    let narrow = refusal(80, [DType::F16; 2]);
    assert!(narrow.contains("one of [64, 128] values, found 80"), "{narrow}");
    let mixed = refusal(64, [DType::F16, DType::BF16]);
    assert!(mixed.contains("k must be F16, found BF16"), "{mixed}");
    let whole = refusal(64, [DType::U32; 2]);
    assert!(whole.contains("q must be F32, F16 or BF16, found U32"), "{whole}");
}

/// Results of terabytes, of tensors that repeat a few values.
#[test]
fn too_little_memory_is_an_error_with_numbers() {
    let device = device();
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &device).unwrap();
    let options =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    let q = zeros(&[1, 1, 2, 128]).broadcast_as((1, 1 << 30, 2, 128)).unwrap();
    let kv = zeros(&[1, 2, 1, 128]).broadcast_as((1, 2, 1 << 30, 128)).unwrap();
    let x = zeros(&[1, 1, 1, 128]).broadcast_as((1, 1024, 1 << 23, 128)).unwrap();
    let angles = zeros(&[1, 1024, 64]);
    for (op, bytes, error) in [
        ("attention", 1usize << 40, attention(&q, &kv, &kv, &options).unwrap_err()),
        ("rope", 1 << 42, rope(&x, &angles, &angles).unwrap_err()),
    ] {
        let said = error.to_string();
        let begins = format!("{op}: the CUDA device has no {bytes} bytes for it: ");
        let (free, total) = numbers(said.split(&begins).nth(1).unwrap_or_else(|| panic!("{said}")));
        assert!(0 < free && free <= total && total < bytes, "{said}");
    }
    // The device is as good as before.
    let (q, kv) = (zeros(&[1, 3, 2, 128]), kv.narrow(2, 0, 3).unwrap());
    assert_eq!(flat(&attention(&q, &kv, &kv, &options).unwrap()), [0.0; 768]);
}

/// The first two numbers of a text.
fn numbers(text: &str) -> (usize, usize) {
    let mut found = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (found.next().unwrap(), found.next().unwrap())
}
