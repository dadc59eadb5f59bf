//! Rotation, gate and largest value.

use std::collections::BTreeMap;

use c3_emulator::{DevicePtr, Memory, MmaRounding};
use c3_kernels::cuda::{self, Buffer};
use candle_core::DType;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::device::{Manner, Modules, decode, encode, round};
use crate::layout::{Layout, place};

const PLAIN: Manner = Manner { mma: MmaRounding::Exact, warp_order: 0 };
const DTYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// Half a unit in the last place of a result of size 1, and some more for f32's own arithmetic.
fn unit(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2f64.powi(-11),
        DType::BF16 => 2f64.powi(-8),
        _ => 2f64.powi(-23),
    }
}

fn random(n: usize, size: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-size..size)).collect()
}

/// Runs the launch with these buffers, the result of so many bytes.
fn run(
    modules: &Modules,
    launch: &cuda::Launch,
    memory: &mut Memory,
    mut buffers: BTreeMap<Buffer, DevicePtr>,
    out: usize,
) -> Vec<u8> {
    buffers.insert(Buffer::Out, memory.alloc_uninit(out));
    modules.launch(launch, memory, &buffers, PLAIN).unwrap();
    memory.read(buffers[&Buffer::Out]).unwrap()
}

#[test]
fn rope() {
    check_rope(&Modules::new(), &DTYPES);
}

pub fn check_rope(modules: &Modules, dtypes: &[DType]) {
    for dims @ [batch, tokens, heads, head_dim] in
        [[1, 1, 1, 2], [2, 3, 5, 8], [1, 7, 14, 64], [2, 2, 3, 128], [1, 2, 2, 6]]
    {
        for &dtype in dtypes {
            for layout in Layout::ALL {
                let half = head_dim / 2;
                let x = round(dtype, &random(dims.iter().product(), 2.0, 1));
                let angles = random(batch * tokens * half, 3.0, 2);
                let placed = place(dtype, &x, dims, layout);
                let mut memory = Memory::new();
                let cos: Vec<f32> = angles.iter().map(|x| x.cos()).collect();
                let sin: Vec<f32> = angles.iter().map(|x| x.sin()).collect();
                let buffers = BTreeMap::from([
                    (Buffer::X, memory.alloc_read_only(&placed.bytes).offset(placed.offset)),
                    (Buffer::Cos, memory.alloc_read_only(&cos)),
                    (Buffer::Sin, memory.alloc_read_only(&sin)),
                ]);
                let launch = cuda::rope(dtype, dims, placed.strides, placed.aligned).unwrap();
                let size = x.len() * dtype.size_in_bytes();
                let found = decode(dtype, &run(modules, &launch, &mut memory, buffers, size));
                for (i, &found) in found.iter().enumerate() {
                    let (row, at) = (i / head_dim * head_dim, i % head_dim);
                    let place = i / (heads * head_dim) * half + at % half;
                    let (cos, sin) = (f64::from(cos[place]), f64::from(sin[place]));
                    let a = f64::from(x[row + at % half]);
                    let b = f64::from(x[row + at % half + half]);
                    let right = match at < half {
                        true => a * cos - b * sin,
                        false => a * sin + b * cos,
                    };
                    let error = (f64::from(found) - right).abs();
                    let most = unit(dtype) * right.abs() + 1e-6;
                    assert!(error <= most, "{dtype:?} {dims:?} {layout:?} {i}: {found}, {right}");
                }
            }
        }
    }
}

#[test]
fn swiglu() {
    check_swiglu(&Modules::new(), &DTYPES);
}

pub fn check_swiglu(modules: &Modules, dtypes: &[DType]) {
    for (rows, width) in [(1, 1), (3, 15), (2, 16), (5, 33), (7, 704)] {
        for &dtype in dtypes {
            for offset in [0, 1] {
                let x = round(dtype, &random(rows * 2 * width + offset, 20.0, 1));
                let mut memory = Memory::new();
                let bytes = offset * dtype.size_in_bytes();
                let at = memory.alloc_read_only(&encode(dtype, &x)).offset(bytes as u64);
                let launch = cuda::swiglu(dtype, rows, width, offset == 0).unwrap();
                let buffers = BTreeMap::from([(Buffer::X, at)]);
                let size = rows * width * dtype.size_in_bytes();
                let found = decode(dtype, &run(modules, &launch, &mut memory, buffers, size));
                for (i, &found) in found.iter().enumerate() {
                    let row = &x[offset + i / width * 2 * width..];
                    let (gate, up) = (f64::from(row[i % width]), f64::from(row[width + i % width]));
                    let right = gate / (1.0 + (-gate).exp()) * up;
                    let exact = 2e-7 * (1.0 + gate.abs()) * right.abs();
                    // f16 has steps of 2⁻²⁴ near 0.
                    let most = unit(dtype) * right.abs() + exact + 6e-8;
                    let error = (f64::from(found) - right).abs();
                    assert!(error <= most, "{dtype:?} {rows} × {width}: {found}, {right}");
                }
            }
        }
    }
}

#[test]
fn swiglu_at_the_ends_of_the_range() {
    check_ends(&Modules::new());
}

pub fn check_ends(modules: &Modules) {
    let infinite = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN];
    let ends = [
        -1e30f32,
        -200.0,
        -90.0,
        0.0,
        90.0,
        1e30,
        infinite[0],
        infinite[1],
        infinite[2],
        0.0,
        0.0,
        0.0,
    ];
    let mut memory = Memory::new();
    let x = memory.alloc_read_only(&[ends, [1.0; 12]].concat());
    let launch = cuda::swiglu(DType::F32, 1, 12, true).unwrap();
    let out = run(modules, &launch, &mut memory, BTreeMap::from([(Buffer::X, x)]), 48);
    let out = decode(DType::F32, &out);
    assert!(out[..3].iter().all(|x| x.abs() < 1e-7), "{out:?}");
    assert_eq!(out[3..6], [0.0, 90.0, 1e30]);
    assert_eq!(out[6..8], infinite[..2]);
    assert!(out[8].is_nan(), "{out:?}");
}

#[test]
fn arg_max() {
    check_arg_max(&Modules::new(), &DTYPES);
}

pub fn check_arg_max(modules: &Modules, dtypes: &[DType]) {
    for (rows, n) in [(1, 1), (3, 15), (2, 64), (5, 65), (2, 20_000), (3, 8192)] {
        for &dtype in dtypes {
            for offset in [0, 1] {
                // Rounded, so that there are equals; with NaN and both zeros among them.
                let mut values: Vec<f32> =
                    random(rows * n + offset, 3.0, n as u64).iter().map(|x| x.round()).collect();
                values.iter_mut().skip(3).step_by(7).for_each(|x| *x = f32::NAN);
                arg_max_of(modules, dtype, &values, [rows, n], offset);
            }
        }
    }
    let (low, nan) = (f32::NEG_INFINITY, f32::NAN);
    // The zeros are of different threads.
    let zeros = [-1.0, -0.0, -1.0, -1.0, 0.0, -1.0, -1.0, -1.0];
    let rows: [&[f32]; 6] = [
        &[nan, low, nan, low],
        &[low; 4],
        &[nan; 4],
        &[-0.0, 0.0, -1.0, low],
        &[-3.0, -2.0, -5.0, nan],
        &zeros,
    ];
    for row in rows {
        arg_max_of(modules, DType::F32, row, [1, row.len()], 0);
    }
}

fn arg_max_of(
    modules: &Modules,
    dtype: DType,
    values: &[f32],
    [rows, n]: [usize; 2],
    offset: usize,
) {
    let mut memory = Memory::new();
    let bytes = (offset * dtype.size_in_bytes()) as u64;
    let x = memory.alloc_read_only(&encode(dtype, values)).offset(bytes);
    let out = memory.alloc(&vec![0u64; rows]);
    let launch = cuda::arg_max(dtype, rows, n, offset == 0).unwrap();
    let buffers = BTreeMap::from([(Buffer::X, x), (Buffer::Out, out)]);
    modules.launch(&launch, &memory, &buffers, PLAIN).unwrap();
    let found: Vec<u64> = memory.read(out).unwrap();
    for (row, key) in values[offset..].chunks(n).zip(found) {
        let mut right = (f32::NEG_INFINITY, 0);
        for (i, &x) in row.iter().enumerate() {
            if x > right.0 {
                right = (x, i as u32);
            }
        }
        assert_eq!(cuda::value_and_place(key), right, "{dtype:?} {rows} × {n} {row:?}");
    }
}
