//! The fused element-wise operations against 64-bit arithmetic.

use c3_kernels::{Lead, Level, arg_max_with, leads, rope, swiglu, swiglu_with};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(dims: &[usize], size: f32) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(dims.iter().product::<usize>() as u64);
    let count = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|_| rng.random_range(-size..size)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn swiglu_is_as_exact_as_it_says() {
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for (rows, width) in [(1, 1), (3, 15), (2, 16), (5, 33), (0, 7), (4, 0), (300, 704)] {
            let x = random(&[rows, 2 * width], 20.0);
            let out = swiglu_with(level, &x).unwrap();
            assert_eq!(out.dims(), [rows, width]);
            let x = x.to_vec2::<f32>().unwrap();
            for (x, out) in x.iter().zip(out.to_vec2::<f32>().unwrap()) {
                for (i, found) in out.into_iter().enumerate() {
                    let (gate, up) = (f64::from(x[i]), f64::from(x[width + i]));
                    let right = gate / (1.0 + (-gate).exp()) * up;
                    let error = (f64::from(found) - right).abs();
                    let most = 2e-7 * (1.0 + gate.abs()) * right.abs();
                    assert!(error <= most + 1e-30, "{level} {gate} {up}: {found}");
                }
            }
        }
    }
}

#[test]
fn swiglu_at_the_ends_of_the_range() {
    let ends = [-1e30f32, -200.0, -90.0, 0.0, 90.0, 1e30];
    let x = Tensor::from_vec([ends, [1.0; 6]].concat(), (1, 12), &Device::Cpu).unwrap();
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        let out = flat(&swiglu_with(level, &x).unwrap());
        assert!(out[..3].iter().all(|x| x.abs() < 1e-7), "{level} {out:?}");
        assert_eq!(out[3..], [0.0, 90.0, 1e30], "{level}");
    }
    let nan = Tensor::from_vec(vec![f32::NAN, 1.0], (1, 2), &Device::Cpu).unwrap();
    assert!(flat(&swiglu(&nan).unwrap())[0].is_nan());
}

#[test]
fn rope_rotates_views_of_heads() {
    for (batch, tokens, heads, head_dim) in [(1, 1, 1, 2), (2, 3, 5, 8), (1, 70, 30, 64)] {
        let all = random(&[batch, tokens, heads + 3, head_dim], 2.0);
        let x = all.narrow(2, 1, heads).unwrap();
        let angles = random(&[batch, tokens, head_dim / 2], 3.0);
        let (cos, sin) = (angles.cos().unwrap(), angles.sin().unwrap());
        let out = rope(&x, &cos, &sin).unwrap();
        assert!(out.is_contiguous() && out.dims() == x.dims());
        let (x, out, angles) = (flat(&x.contiguous().unwrap()), flat(&out), flat(&angles));
        for (i, &found) in out.iter().enumerate() {
            let (row, at) = (i / head_dim * head_dim, i % head_dim);
            let half = head_dim / 2;
            let angle = f64::from(angles[i / (heads * head_dim) * half + at % half]);
            let (a, b) = (f64::from(x[row + at % half]), f64::from(x[row + at % half + half]));
            let right = match at < half {
                true => a * angle.cos() - b * angle.sin(),
                false => a * angle.sin() + b * angle.cos(),
            };
            assert!((f64::from(found) - right).abs() < 1e-6, "{i}: {found}, expected {right}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let tensor = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    assert!(swiglu(&tensor(&[2, 3])).unwrap_err().to_string().contains("[.., 2 · width]"));
    let turned = tensor(&[4, 2]).t().unwrap();
    assert!(swiglu(&turned).unwrap_err().to_string().contains("contiguous"));
    let (x, angles) = (tensor(&[1, 2, 3, 8]), tensor(&[1, 2, 4]));
    let short = rope(&x, &tensor(&[1, 2, 3]), &angles).unwrap_err().to_string();
    assert!(short.contains("cos must have shape [1, 2, 4]"), "{short}");
    let flat = rope(&tensor(&[2, 8]), &angles, &angles).unwrap_err().to_string();
    assert!(flat.contains("x must be [batch, tokens, heads, head_dim]"), "{flat}");
    let last = x.transpose(2, 3).unwrap();
    let odd = rope(&last, &tensor(&[1, 2, 1]), &tensor(&[1, 2, 1])).unwrap_err().to_string();
    assert!(odd.contains("rope"), "{odd}");
    let none = rope(&tensor(&[1, 0, 3, 8]), &tensor(&[1, 0, 4]), &tensor(&[1, 0, 4])).unwrap();
    assert_eq!(none.dims(), [1, 0, 3, 8]);
}

#[test]
fn arg_max_is_the_first_of_the_largest() {
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for (rows, n) in [(1, 1), (3, 15), (2, 64), (5, 65), (0, 7), (3, 0), (40, 8192)] {
            let x = random(&[rows, n], 3.0);
            // Rounded, so that there are equals; with NaN among them.
            let x = (x.round().unwrap() / 1.0).unwrap();
            let mut values = flat(&x);
            values.iter_mut().skip(3).step_by(7).for_each(|x| *x = f32::NAN);
            let x = Tensor::from_vec(values.clone(), (rows, n), &Device::Cpu).unwrap();
            let found = arg_max_with(level, &x).unwrap();
            assert_eq!(found.len(), rows);
            for (row, found) in found.into_iter().enumerate() {
                let mut right = (f32::NEG_INFINITY, 0);
                for (i, &x) in values[row * n..(row + 1) * n].iter().enumerate() {
                    if x > right.0 {
                        right = (x, i as u32);
                    }
                }
                assert_eq!(found, right, "{level} row {row} of {rows} × {n}");
            }
        }
    }
    let nothing =
        Tensor::from_vec(vec![f32::NAN, f32::NEG_INFINITY], (1, 2), &Device::Cpu).unwrap();
    assert_eq!(arg_max_with(Level::detect(), &nothing).unwrap()[0].0, f32::NEG_INFINITY);
}

/// Against a plain search, and joined from parts as from the whole.
#[test]
fn leads_are_the_two_largest_and_the_wanted_one() {
    let (rows, n) = (5, 100);
    let value = |i: usize| ((i * 7919 + 13) % 101) as f32 - 50.0;
    let values: Vec<f32> = (0..rows * n).map(value).collect();
    let x = Tensor::from_vec(values.clone(), (rows, n), &Device::Cpu).unwrap();
    let wanted = [3, 99, 0, 50, 700];
    let whole = leads(&x, &wanted).unwrap();
    for ((row, lead), &wanted) in values.chunks(n).zip(&whole).zip(&wanted) {
        let mut sorted = row.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!((lead.best.0, lead.second), (sorted[0], sorted[1]));
        assert_eq!(row[lead.best.1 as usize], sorted[0]);
        assert_eq!(lead.wanted, row.get(wanted).copied().unwrap_or(f32::NEG_INFINITY));
    }
    let mut joined = vec![Lead::NONE; rows];
    for start in [0, 30, 31] {
        let end = match start {
            0 => 30,
            30 => 31,
            _ => n,
        };
        let part = x.narrow(1, start, end - start).unwrap().contiguous().unwrap();
        let places = wanted.map(|wanted: usize| wanted.checked_sub(start).unwrap_or(usize::MAX));
        for (joined, mut lead) in joined.iter_mut().zip(leads(&part, &places).unwrap()) {
            lead.best.1 += start as u32;
            joined.merge(lead);
        }
    }
    assert_eq!(joined, whole);
    // Of equals the first is the best, and the other the second.
    let equal = Tensor::new(&[[1f32, 2.0, 2.0]], &Device::Cpu).unwrap();
    let lead = leads(&equal, &[2]).unwrap()[0];
    assert_eq!((lead.best, lead.second, lead.wanted), ((2.0, 1), 2.0, 2.0));
    assert!(leads(&equal, &[]).is_err());
}
