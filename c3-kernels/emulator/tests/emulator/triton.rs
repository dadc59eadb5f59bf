//! Kernels that another compiler made (`tests/triton/make.py`) against f64.

use c3_emulator::{Arg, DevicePtr, Launch, Memory, MmaRounding, Module, Options, Stats};
use half::{bf16, f16};
use rand::RngCore;

use crate::support::rng;

/// A number of the text's first line.
fn header(text: &str, name: &str) -> u32 {
    let mut words = text.lines().next().unwrap().split_whitespace();
    words.find(|&word| word == name).unwrap();
    words.next().unwrap().trim_end_matches(',').parse().unwrap()
}

/// Launches the only kernel of a file with a block of four warps.
fn launch(file: &str, memory: &Memory, blocks: u32, args: &[Arg], options: &Options) -> Stats {
    let path = format!("{}/tests/triton/{file}.ptx", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let module = Module::parse(&text).unwrap();
    let name = module.kernels().next().unwrap();
    let kernel = module.kernel(name).unwrap_or_else(|error| panic!("{error}"));
    // Triton adds pointers to memory of its own, which these kernels don't use.
    let mut args = args.to_vec();
    args.resize(kernel.param_sizes().count(), Arg::ptr(DevicePtr(0)));
    let block = [32 * header(&text, "warps"), 1, 1];
    let shared = header(&text, "shared");
    let launch = Launch { grid: [blocks, 1, 1], block, shared, args: &args };
    kernel.launch(memory, &launch, options).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut random = rng(seed);
    (0..count).map(|_| random.next_u32() as f32 / 2f32.powi(31) - 1.0).collect()
}

/// The bits of a 16-bit type, and their values.
fn halves(ty: &str, values: &[f32]) -> (Vec<u16>, Vec<f64>) {
    let convert = |&x: &f32| match ty {
        "f16" => (f16::from_f32(x).to_bits(), f16::from_f32(x).to_f64()),
        _ => (bf16::from_f32(x).to_bits(), bf16::from_f32(x).to_f64()),
    };
    values.iter().map(convert).unzip()
}

fn close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(difference <= tolerance, "{what}: {found}, not {expected}, at {i}");
    }
}

/// Every way to round, with warps in turn and in random order.
fn all_options() -> impl Iterator<Item = Options> {
    [(MmaRounding::Exact, 0), (MmaRounding::Sequential, 3), (MmaRounding::Truncated, 9)]
        .into_iter()
        .map(|(mma, warp_order)| Options { mma, warp_order, ..Options::default() })
}

#[test]
fn products_of_matrices() {
    let (m, n, k) = (64, 64, 96);
    for ty in ["bf16", "f16"] {
        let (a, wide_a) = halves(ty, &uniform(m * k, 1));
        let (b, wide_b) = halves(ty, &uniform(k * n, 2));
        let expected: Vec<f64> = (0..m * n)
            .map(|at| (0..k).map(|i| wide_a[at / n * k + i] * wide_b[i * n + at % n]).sum())
            .collect();
        for options in all_options() {
            let mut memory = Memory::new();
            let c = memory.alloc_uninit(m * n * 4);
            let (a, b) = (memory.alloc_read_only(&a), memory.alloc_read_only(&b));
            let args = [Arg::ptr(a), Arg::ptr(b), Arg::ptr(c), Arg::i32(k as i32)];
            let stats = launch(&format!("matmul_{ty}"), &memory, 1, &args, &options);
            assert_eq!(stats.mma as usize, m * n * k / (16 * 8 * 16));
            assert_eq!(stats.global.distinct_read as usize, (m + n) * k * 2);
            // 96 terms below 1, each rounded to 2^-20 at worst.
            close(&memory.read(c).unwrap(), &expected, 96.0 * 2f64.powi(-20), ty);
        }
    }
}

#[test]
fn softmax() {
    let (rows, columns) = (3, 777);
    let x: Vec<f32> = uniform(rows * columns, 3).iter().map(|x| x * 8.0).collect();
    let expected: Vec<f64> = x
        .chunks(columns)
        .flat_map(|row| {
            let largest = row.iter().fold(f32::MIN, |max, &x| max.max(x));
            let powers = row.iter().map(move |&x| f64::from(x - largest).exp());
            let sum: f64 = powers.clone().sum();
            powers.map(move |power| power / sum)
        })
        .collect();
    let mut memory = Memory::new();
    let (x, y) = (memory.alloc_read_only(&x), memory.alloc_uninit(rows * columns * 4));
    let args = [Arg::ptr(x), Arg::ptr(y), Arg::i32(columns as i32)];
    launch("softmax_f32", &memory, rows as u32, &args, &Options::default());
    close(&memory.read(y).unwrap(), &expected, 1e-7, "softmax");
}

#[test]
fn layer_norm() {
    let (rows, columns, eps) = (4, 301, 1e-5);
    let (x, wide) = halves("bf16", &uniform(rows * columns, 4));
    let (weight, bias) = (uniform(columns, 5), uniform(columns, 6));
    let mut expected = Vec::new();
    for row in wide.chunks(columns) {
        let mean = row.iter().sum::<f64>() / columns as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
        let scale = 1.0 / (variance + f64::from(eps as f32)).sqrt();
        let scaled = row.iter().zip(&weight).zip(&bias);
        expected
            .extend(scaled.map(|((x, &w), &b)| (x - mean) * scale * f64::from(w) + f64::from(b)));
    }
    let mut memory = Memory::new();
    let y = memory.alloc_uninit(rows * columns * 4);
    let pointers = [
        memory.alloc_read_only(&x),
        memory.alloc_read_only(&weight),
        memory.alloc_read_only(&bias),
        y,
    ];
    let mut args: Vec<_> = pointers.into_iter().map(Arg::ptr).collect();
    args.extend([Arg::i32(columns as i32), Arg::f32(eps as f32)]);
    launch("layer_norm_bf16", &memory, rows as u32, &args, &Options::default());
    close(&memory.read(y).unwrap(), &expected, 2e-6, "layer norm");
}

#[test]
fn attention() {
    let (heads, queries, size, keys) = (2, 64, 64, 100);
    let scale = 1.0 / (size as f32).sqrt() * std::f32::consts::LOG2_E;
    for ty in ["bf16", "f16"] {
        let (q, wide_q) = halves(ty, &uniform(heads * queries * size, 7));
        let (k, wide_k) = halves(ty, &uniform(heads * keys * size, 8));
        let (v, wide_v) = halves(ty, &uniform(heads * keys * size, 9));
        let mut expected = Vec::new();
        for row in 0..heads * queries {
            let (head, query) = (row / queries, row % queries);
            let visible = keys - queries + query + 1;
            let at = |j: usize| (head * keys + j) * size;
            let powers: Vec<f64> = (0..visible)
                .map(|j| {
                    let dot: f64 =
                        (0..size).map(|d| wide_q[row * size + d] * wide_k[at(j) + d]).sum();
                    (dot * f64::from(scale)).exp2()
                })
                .collect();
            let sum: f64 = powers.iter().sum();
            expected.extend((0..size).map(|d| {
                powers.iter().enumerate().map(|(j, p)| p * wide_v[at(j) + d]).sum::<f64>() / sum
            }));
        }
        for options in all_options() {
            let mut memory = Memory::new();
            let out = memory.alloc_uninit(expected.len() * 4);
            let inputs = [&q, &k, &v].map(|x| Arg::ptr(memory.alloc_read_only(x)));
            let mut args = inputs.to_vec();
            args.extend([Arg::ptr(out), Arg::i32(keys as i32), Arg::f32(scale)]);
            launch(&format!("attention_{ty}"), &memory, heads as u32, &args, &options);
            // Weights are rounded to the type.
            let tolerance = if ty == "f16" { 5e-4 } else { 4e-3 };
            close(&memory.read(out).unwrap(), &expected, tolerance, ty);
        }
    }
}
