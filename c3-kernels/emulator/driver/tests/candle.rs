//! candle's CUDA device on the emulator against candle's CPU.

use std::process::Command;

use c3_emulator::Module;
use candle_core::{D, DType, Device, Result, Tensor};

fn cuda() -> Device {
    Device::new_cuda(0).unwrap()
}

/// Numbers that look random and stay the same.
fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let number = |i: u32| {
        let bits = (i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)).wrapping_mul(97);
        (bits >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    Tensor::from_iter((0..count).map(number), &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// Computes on both devices and compares, relative to the largest value.
fn agree(name: &str, inputs: &[Tensor], tolerance: f32, f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let expected = f(inputs).unwrap_or_else(|error| panic!("{name} on the CPU: {error}"));
    let device = cuda();
    let moved: Vec<_> = inputs.iter().map(|x| x.to_device(&device).unwrap()).collect();
    let found = f(&moved).and_then(|x| x.to_device(&Device::Cpu));
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((found.shape(), found.dtype()), (expected.shape(), expected.dtype()), "{name}");
    let wide = |x: &Tensor| {
        let x = x.to_dtype(DType::F32).and_then(|x| x.flatten_all()).and_then(|x| x.to_vec1());
        x.unwrap_or_else(|error: candle_core::Error| panic!("{name}: {error}"))
    };
    let (found, expected): (Vec<f32>, Vec<f32>) = (wide(&found), wide(&expected));
    let largest = expected.iter().fold(1f32, |max, x| max.max(x.abs()));
    for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
        assert!((x - y).abs() <= tolerance * largest, "{name}: {x}, not {y}, at {i}");
    }
}

fn pair() -> [Tensor; 2] {
    [numbers(&[3, 5, 37], 1), numbers(&[1, 5, 37], 2)]
}

#[test]
fn every_kernel_can_be_run() {
    let folder = format!("{}/candle-ptx", env!("CARGO_MANIFEST_DIR"));
    let (mut count, mut errors) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|end| end != "xz") {
            continue;
        }
        let text = Command::new("xz").args(["--decompress", "--stdout"]).arg(&path).output();
        let module = Module::parse(&String::from_utf8(text.unwrap().stdout).unwrap()).unwrap();
        for name in module.kernels() {
            count += 1;
            errors.extend(module.kernel(name).err().map(|error| error.to_string()));
        }
    }
    assert!(count > 400, "{count}");
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn one_operand() {
    let positive = numbers(&[300], 3).abs().unwrap().affine(1.0, 0.1).unwrap();
    let check = |name: &str, f: fn(&Tensor) -> Result<Tensor>| {
        agree(name, std::slice::from_ref(&positive), 1e-6, |x| f(&x[0]));
    };
    check("affine", |x| x.affine(2.0, -0.5));
    check("exp", Tensor::exp);
    check("log", Tensor::log);
    check("sin", Tensor::sin);
    check("cos", Tensor::cos);
    check("tanh", Tensor::tanh);
    check("sqrt", Tensor::sqrt);
    check("recip", Tensor::recip);
    check("neg", Tensor::neg);
    check("sqr", Tensor::sqr);
    check("silu", Tensor::silu);
    check("gelu", Tensor::gelu);
    check("gelu_erf", Tensor::gelu_erf);
    check("relu", Tensor::relu);
    check("floor", Tensor::floor);
    check("round", Tensor::round);
    check("powf", |x| x.powf(1.5));
    check("of every other", |x| x.reshape((150, 2))?.narrow(1, 1, 1)?.exp());
}

#[test]
fn two_operands() {
    let check = |name: &str, f: fn(&Tensor, &Tensor) -> Result<Tensor>| {
        agree(name, &pair(), 1e-6, |x| f(&x[0], &x[1]));
    };
    check("add", |x, y| x.broadcast_add(y));
    check("sub", |x, y| x.broadcast_sub(y));
    check("mul", |x, y| x.broadcast_mul(y));
    check("maximum", |x, y| x.broadcast_maximum(y));
    check("minimum", |x, y| x.broadcast_minimum(y));
    check("lt", |x, y| x.broadcast_lt(y));
    check("ge", |x, y| x.broadcast_ge(y));
    check("cat", |x, y| Tensor::cat(&[x, y], 0));
    check("cat of the last", |x, y| Tensor::cat(&[&x.narrow(0, 0, 1)?, y], 2));
    check("where", |x, y| {
        let y = y.broadcast_as(x.shape())?;
        x.ge(&y)?.where_cond(x, &y.neg()?)
    });
}

#[test]
fn reductions_and_layouts() {
    let check = |name: &str, f: fn(&Tensor) -> Result<Tensor>| {
        agree(name, &pair()[..1], 1e-6, |x| f(&x[0]));
    };
    check("sum", |x| x.sum(D::Minus1));
    check("sum of the first", |x| x.sum(0));
    check("max", |x| x.max(D::Minus1));
    check("min", |x| x.min(1));
    check("argmax", |x| x.argmax(D::Minus1));
    check("mean", |x| x.mean_keepdim(D::Minus1));
    check("sum of all", Tensor::sum_all);
    check("transposed", |x| x.transpose(1, 2)?.contiguous());
    check("permuted", |x| x.permute((2, 0, 1))?.contiguous());
    check("zeros", |x| x.zeros_like());
    check("ones", |x| x.ones_like()?.broadcast_add(x));
    check("sorted", |x| x.contiguous()?.arg_sort_last_dim(true));
}

#[test]
fn indices() {
    agree("index_select", &pair()[..1], 0.0, |x| {
        x[0].index_select(&Tensor::new(&[2u32, 0, 2], x[0].device())?, 0)
    });
    agree("embedding", &[numbers(&[40, 16], 4)], 0.0, |x| {
        x[0].embedding(&Tensor::new(&[39u32, 0, 7], x[0].device())?)
    });
    agree("gather", &pair()[..1], 0.0, |x| {
        let ids = Tensor::new(&[[[1u32, 36, 0], [5, 5, 5]]], x[0].device())?;
        x[0].narrow(0, 1, 1)?.narrow(1, 2, 2)?.contiguous()?.gather(&ids, 2)
    });
    agree("index_add", &[numbers(&[4, 6], 5), numbers(&[3, 6], 6)], 1e-6, |x| {
        x[0].index_add(&Tensor::new(&[3u32, 1, 0], x[0].device())?, &x[1], 0)
    });
}

#[test]
fn casts() {
    for (name, dtype, tolerance) in [
        ("f16", DType::F16, 0.0),
        ("bf16", DType::BF16, 0.0),
        ("f64", DType::F64, 0.0),
        ("i64", DType::I64, 0.0),
    ] {
        agree(name, &pair()[..1], tolerance, |x| {
            x[0].affine(100.0, 0.0)?.to_dtype(dtype)?.to_dtype(DType::F32)
        });
    }
    let positive = [numbers(&[200], 7).abs().unwrap()];
    agree("u8", &positive, 0.0, |x| x[0].affine(200.0, 0.0)?.to_dtype(DType::U8));
    agree("u32", &positive, 0.0, |x| x[0].affine(1e6, 0.0)?.to_dtype(DType::U32));
    for dtype in [DType::F16, DType::BF16] {
        let tolerance = if dtype == DType::F16 { 1e-3 } else { 1e-2 };
        agree("halves", &pair(), tolerance, |x| {
            let (x, y) = (x[0].to_dtype(dtype)?, x[1].to_dtype(dtype)?);
            x.broadcast_mul(&y)?.exp()?.sum(D::Minus1)
        });
    }
}

#[test]
fn layers() {
    agree("softmax", &pair()[..1], 1e-6, |x| candle_nn::ops::softmax_last_dim(&x[0]));
    agree("softmax of many", &[numbers(&[4, 3000], 8)], 1e-6, |x| {
        candle_nn::ops::softmax_last_dim(&x[0])
    });
    agree("rms_norm", &[numbers(&[7, 96], 9), numbers(&[96], 10)], 1e-6, |x| {
        candle_nn::ops::rms_norm(&x[0], &x[1], 1e-6)
    });
    agree(
        "layer_norm",
        &[numbers(&[7, 96], 9), numbers(&[96], 10), numbers(&[96], 11)],
        1e-6,
        |x| candle_nn::ops::layer_norm(&x[0], &x[1], &x[2], 1e-6),
    );
    agree("silu of halves", &pair()[..1], 1e-2, |x| {
        candle_nn::ops::silu(&x[0].to_dtype(DType::BF16)?)
    });
    let rotation = [numbers(&[2, 3, 10, 16], 12), numbers(&[10, 8], 13), numbers(&[10, 8], 14)];
    agree("rope", &rotation, 1e-6, |x| candle_nn::rotary_emb::rope(&x[0], &x[1], &x[2]));
}

#[test]
fn products() {
    let plain = [numbers(&[13, 40], 15), numbers(&[40, 21], 16)];
    agree("f32", &plain, 1e-6, |x| x[0].matmul(&x[1]));
    let batch = [numbers(&[2, 3, 13, 40], 17), numbers(&[2, 3, 21, 40], 18)];
    agree("transposed", &batch, 1e-6, |x| x[0].matmul(&x[1].transpose(2, 3)?));
    let left = [numbers(&[3, 40, 13], 19), numbers(&[3, 40, 21], 20)];
    agree("transposed left", &left, 1e-6, |x| x[0].transpose(1, 2)?.matmul(&x[1]));
    agree("f16", &plain, 1e-3, |x| x[0].to_dtype(DType::F16)?.matmul(&x[1].to_dtype(DType::F16)?));
    agree("f64", &plain, 1e-6, |x| x[0].to_dtype(DType::F64)?.matmul(&x[1].to_dtype(DType::F64)?));
    // candle's CPU has no product of bf16: it is computed from the same values in f32.
    let device = cuda();
    let rounded = plain.each_ref().map(|x| x.to_dtype(DType::BF16).unwrap());
    let [a, b] = rounded.each_ref().map(|x| x.to_dtype(DType::F32).unwrap());
    let expected = a.matmul(&b).unwrap().to_dtype(DType::BF16).unwrap();
    let [a, b] = rounded.each_ref().map(|x| x.to_device(&device).unwrap());
    let found = a.matmul(&b).unwrap().to_device(&Device::Cpu).unwrap();
    let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
    let difference = (wide(&found) - wide(&expected)).unwrap().abs().unwrap().max_all().unwrap();
    assert!(difference.to_scalar::<f32>().unwrap() <= 4.0 / 128.0);
}

#[test]
fn what_goes_wrong_is_told() {
    let device = cuda();
    let x = numbers(&[40, 16], 4).to_device(&device).unwrap();
    let ids = Tensor::new(&[39u32, 40], &device).unwrap();
    let error = x.embedding(&ids).and_then(|x| x.to_device(&Device::Cpu)).unwrap_err().to_string();
    assert!(error.contains("LAUNCH_FAILED") || error.contains("kernel"), "{error}");
}
