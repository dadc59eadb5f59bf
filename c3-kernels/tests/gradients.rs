//! Backward passes against central differences of the obvious forward pass in 64-bit floats, at odd
//! sizes. Tolerance: relative RMS error 1e-4 of each gradient, most of which is the differences' own.

use c3_kernels::attention::AttentionShape;
use c3_kernels::{Activations, Attention, attention, cross_entropy, linear, reference, rms_norm};
use c3_kernels::{rope, swiglu, trained_linear};
use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1f32..1.0)).collect()
}

fn var(values: &[f32], shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.contiguous().unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradients of `Σ weights ∘ result`, one for each of `vars`.
fn gradients(result: &Tensor, weights: &[f32], vars: &[&Var]) -> Vec<Vec<f32>> {
    let weights = Tensor::from_slice(weights, result.shape(), &Device::Cpu).unwrap();
    let loss = (result * weights).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    vars.iter().map(|var| flat(grads.get(var.as_tensor()).unwrap())).collect()
}

/// Central differences of `loss`, in the `i`-th of its inputs.
fn differences(inputs: &[Vec<f32>], i: usize, loss: impl Fn(&[Vec<f32>]) -> f64) -> Vec<f64> {
    differences_at(inputs, i, 0..inputs[i].len(), loss)
}

/// Those of some of its values.
fn differences_at(
    inputs: &[Vec<f32>],
    i: usize,
    at: impl IntoIterator<Item = usize>,
    loss: impl Fn(&[Vec<f32>]) -> f64,
) -> Vec<f64> {
    let mut inputs = inputs.to_vec();
    let one = |j: usize| {
        let x = inputs[i][j];
        let (above, below) = (x + 1e-3, x - 1e-3);
        inputs[i][j] = above;
        let high = loss(&inputs);
        inputs[i][j] = below;
        let low = loss(&inputs);
        inputs[i][j] = x;
        (high - low) / (f64::from(above) - f64::from(below))
    };
    at.into_iter().map(one).collect()
}

fn assert_close(found: &[f32], right: &[f64], what: &str) {
    assert_eq!(found.len(), right.len(), "{what}");
    let square: f64 = right.iter().map(|x| x * x).sum();
    let error: f64 = found.iter().zip(right).map(|(&x, y)| (f64::from(x) - y).powi(2)).sum();
    let relative = (error / square.max(1e-12)).sqrt();
    assert!(relative <= 1e-4, "{what}: relative RMS error {relative:e}");
}

fn weighted(values: impl IntoIterator<Item = f64>, weights: &[f32]) -> f64 {
    values.into_iter().zip(weights).map(|(x, &w)| x * f64::from(w)).sum()
}

#[test]
fn of_a_linear_layer() {
    for (rows, n, k) in [(1, 1, 1), (3, 5, 7), (9, 17, 16), (33, 20, 50), (100, 3, 65)] {
        let inputs = [random(rows * k, 1), random(n * k, 2), random(n, 3)];
        let weights = random(rows * n, 4);
        let x = var(&inputs[0], &[rows, 1, k]);
        let (w, b) = (var(&inputs[1], &[n, k]), var(&inputs[2], &[n]));
        let loss = |inputs: &[Vec<f32>]| {
            let bias = Some(inputs[2].as_slice());
            let y = reference::linear(&inputs[0], &inputs[1], bias, [rows, n, k]).unwrap();
            weighted(y, &weights)
        };
        let found = gradients(&linear(&x, &w, Some(&b)).unwrap(), &weights, &[&x, &w, &b]);
        for (i, found) in found.iter().enumerate() {
            assert_close(found, &differences(&inputs, i, loss), &format!("{rows} {n} {k}: {i}"));
        }
        let plain = gradients(&linear(&x, &w, None).unwrap(), &weights, &[&x, &w]);
        assert_eq!(plain, found[..2]);
    }
}

/// Operands are rounded to bf16 where the machine multiplies that faster: each is off by 2⁻⁹ at most,
/// so relative RMS 4e-3.
#[test]
fn of_products_in_bf16() {
    let close = |found: &Tensor, right: &Tensor, what: &str| {
        let error = (found - right).unwrap().sqr().unwrap().sum_all().unwrap();
        let error = f64::from(error.to_scalar::<f32>().unwrap());
        let square = right.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        let relative = (error / f64::from(square)).sqrt();
        assert!(relative <= 4e-3, "{what}: relative RMS error {relative:e}");
    };
    for (rows, n, k) in [(1, 1, 1), (3, 5, 7), (33, 20, 50), (100, 300, 65), (500, 96, 200)] {
        let x = var(&random(rows * k, 1), &[rows, k]);
        let (w, b) = (var(&random(n * k, 2), &[n, k]), var(&random(n, 3), &[n]));
        let weights = random(rows * n, 4);
        let found = trained_linear(&x, &w, Some(&b), Activations::Bf16).unwrap();
        let right = linear(&x, &w, Some(&b)).unwrap();
        close(&found, &right, &format!("{rows} {n} {k}"));
        let [found, right] = [found, right].map(|y| gradients(&y, &weights, &[&x, &w, &b]));
        for (i, (found, right)) in found.iter().zip(&right).enumerate() {
            let [found, right] =
                [found, right].map(|x| Tensor::from_slice(x, x.len(), &Device::Cpu).unwrap());
            close(&found, &right, &format!("{rows} {n} {k}: {i}"));
        }
        let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % n) as u32).collect();
        let loss = |activations| {
            let loss = cross_entropy(&x, &w, &targets, activations).unwrap();
            let grads = loss.backward().unwrap();
            [&x, &w].map(|var| grads.get(var.as_tensor()).unwrap().clone())
        };
        let (found, right) = (loss(Activations::Bf16), loss(Activations::F32));
        if n > 1 {
            close(&found[0], &right[0], &format!("loss of {rows} {n} {k}: x"));
            close(&found[1], &right[1], &format!("loss of {rows} {n} {k}: w"));
        }
    }
}

#[test]
fn of_attention() {
    let mut seed = 0;
    for (queries, keys) in [(1, 1), (3, 3), (5, 17), (17, 17), (50, 50), (2, 70), (7, 4)] {
        for (heads, kv_heads, head_dim) in [(2, 2, 4), (4, 2, 7), (3, 1, 20)] {
            seed += 1;
            let shape = AttentionShape { batch: 2, queries, heads, kv_heads, keys, head_dim };
            let options = Attention {
                scale: 0.7,
                causal: seed % 3 != 0,
                first_key: if seed % 2 == 0 { vec![0, keys / 2] } else { vec![] },
                activations: Activations::F32,
            };
            let kv = 2 * kv_heads * keys * head_dim;
            let inputs =
                [random(2 * queries * heads * head_dim, seed), random(kv, 71), random(kv, 72)];
            let weights = random(inputs[0].len(), 73);
            let loss = |inputs: &[Vec<f32>]| {
                let [q, k, v] = [0, 1, 2].map(|i| inputs[i].as_slice());
                weighted(reference::attention(q, k, v, &shape, &options).unwrap().values, &weights)
            };
            let q = var(&inputs[0], &[2, queries, heads, head_dim]);
            // As in a model: keys and values are views with heads and tokens turned over.
            let turned = |i: usize| {
                let shape = (2, kv_heads, keys, head_dim);
                let x = Tensor::from_slice(&inputs[i], shape, &Device::Cpu).unwrap();
                Var::from_tensor(&x.transpose(1, 2).unwrap().contiguous().unwrap()).unwrap()
            };
            let (k, v) = (turned(1), turned(2));
            let [k_view, v_view] = [&k, &v].map(|x| x.transpose(1, 2).unwrap());
            let result = attention(&q, &k_view, &v_view, &options).unwrap();
            let found = gradients(&result, &weights, &[&q, &k, &v]);
            for (i, found) in found.iter().enumerate() {
                let found = match i {
                    0 => found.clone(),
                    _ => {
                        let shape = (2, keys, kv_heads, head_dim);
                        let x = Tensor::from_slice(found, shape, &Device::Cpu).unwrap();
                        flat(&x.transpose(1, 2).unwrap())
                    }
                };
                let right = differences(&inputs, i, loss);
                assert_close(&found, &right, &format!("{shape:?} {options:?}: {i}"));
            }
        }
    }
}

#[test]
fn of_a_rotation() {
    let (batch, tokens, heads, head_dim) = (2, 3, 5, 6);
    let half = batch * tokens * head_dim / 2;
    let inputs = [random(2 * half * heads, 1)];
    let (cos, sin, weights) = (random(half, 2), random(half, 3), random(2 * half * heads, 4));
    let loss = |inputs: &[Vec<f32>]| {
        let rotated = inputs[0].chunks(head_dim).enumerate().flat_map(|(at, x)| {
            let angle = at / heads * head_dim / 2;
            let pair = |i: usize| {
                let (c, s) = (f64::from(cos[angle + i]), f64::from(sin[angle + i]));
                let (a, b) = (f64::from(x[i]), f64::from(x[i + head_dim / 2]));
                (a * c - b * s, a * s + b * c)
            };
            let first = (0..head_dim / 2).map(move |i| pair(i).0);
            first.chain((0..head_dim / 2).map(move |i| pair(i).1)).collect::<Vec<_>>()
        });
        weighted(rotated, &weights)
    };
    let x = var(&inputs[0], &[batch, tokens, heads, head_dim]);
    let angle =
        |x: &[f32]| Tensor::from_slice(x, (batch, tokens, head_dim / 2), &Device::Cpu).unwrap();
    let found = gradients(&rope(&x, &angle(&cos), &angle(&sin)).unwrap(), &weights, &[&x]);
    assert_close(&found[0], &differences(&inputs, 0, loss), "rope");
}

#[test]
fn of_a_gate() {
    for (rows, width) in [(1, 1), (3, 7), (5, 16), (2, 33)] {
        let inputs = [random(rows * 2 * width, 1).iter().map(|x| 4.0 * x).collect::<Vec<_>>()];
        let weights = random(rows * width, 2);
        let loss = |inputs: &[Vec<f32>]| {
            let gated = inputs[0].chunks(2 * width).flat_map(|x| {
                (0..width).map(|i| {
                    let (gate, up) = (f64::from(x[i]), f64::from(x[width + i]));
                    gate / (1.0 + (-gate).exp()) * up
                })
            });
            weighted(gated, &weights)
        };
        let x = var(&inputs[0], &[rows, 2 * width]);
        let found = gradients(&swiglu(&x).unwrap(), &weights, &[&x]);
        assert_close(&found[0], &differences(&inputs, 0, loss), &format!("{rows} {width}"));
    }
    // Far out the slope is 0 and 1, and nothing overflows.
    let x = var(&[-200.0, 200.0, 3.0, 3.0], &[1, 4]);
    let found = gradients(&swiglu(&x).unwrap(), &[1.0, 1.0], &[&x]);
    let right = [0.0, 3.0, 0.0, 200.0];
    assert!(found[0].iter().zip(right).all(|(x, y)| (x - y).abs() < 1e-30), "{found:?}");
}

#[test]
fn of_a_norm() {
    for (rows, n) in [(1, 1), (3, 7), (5, 16), (2, 100), (1100, 3)] {
        let inputs = [random(rows * n, 1), random(n, 2)];
        let weights = random(rows * n, 3);
        let loss = |inputs: &[Vec<f32>]| {
            let normed = inputs[0].chunks(n).flat_map(|x| {
                let square: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
                let factor = (square / n as f64 + 0.01).sqrt().recip();
                let weight = &inputs[1];
                x.iter().zip(weight).map(move |(&x, &w)| f64::from(x) * factor * f64::from(w))
            });
            weighted(normed, &weights)
        };
        let (x, w) = (var(&inputs[0], &[rows, n]), var(&inputs[1], &[n]));
        let found = gradients(&rms_norm(&x, &w, 0.01).unwrap(), &weights, &[&x, &w]);
        for (i, found) in found.iter().enumerate() {
            if rows * n > 1000 && i == 0 {
                continue; // The rows are alike; what this size is for is the weight's sum in parts.
            }
            assert_close(found, &differences(&inputs, i, loss), &format!("{rows} {n}: {i}"));
        }
    }
}

#[test]
fn of_the_cross_entropy() {
    // The last is more logits than are in memory at a time.
    for (rows, n, k) in [(1, 1, 1), (3, 5, 7), (20, 33, 16), (17, 262_144, 1)] {
        let inputs = [random(rows * k, 1), random(n * k, 2)];
        let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % n) as u32).collect();
        let loss = |inputs: &[Vec<f32>]| {
            let logits = reference::linear(&inputs[0], &inputs[1], None, [rows, n, k]).unwrap();
            let each = logits.chunks(n).zip(&targets).map(|(logits, &target)| {
                logits.iter().map(|x| x.exp()).sum::<f64>().ln() - logits[target as usize]
            });
            each.sum::<f64>() / rows as f64
        };
        let (x, w) = (var(&inputs[0], &[rows, k]), var(&inputs[1], &[n, k]));
        let found = cross_entropy(&x, &w, &targets, Activations::F32).unwrap();
        let right = loss(&inputs);
        assert!(
            (f64::from(found.to_scalar::<f32>().unwrap()) - right).abs()
                <= 1e-6 * right.abs().max(1.0)
        );
        let grads = (found * 2.0).unwrap().backward().unwrap();
        let doubled = |inputs: &[Vec<f32>]| 2.0 * loss(inputs);
        for (i, var) in [&x, &w].into_iter().enumerate() {
            let found = flat(grads.get(var.as_tensor()).unwrap());
            if found.len() > 10_000 {
                // The targets' own logits, which have large gradients, in both parts of the rows.
                let at: Vec<usize> = [0, 5, 16].map(|row| targets[row] as usize).to_vec();
                let some: Vec<f32> = at.iter().map(|&j| found[j]).collect();
                let right = differences_at(&inputs, i, at, doubled);
                assert_close(&some, &right, &format!("{rows} {n} {k}: some of {i}"));
                continue;
            }
            assert_close(
                &found,
                &differences(&inputs, i, doubled),
                &format!("{rows} {n} {k}: {i}"),
            );
        }
        // Nothing is trained: the same loss.
        let plain = cross_entropy(&x.detach(), &w.detach(), &targets, Activations::F32).unwrap();
        assert!(
            (f64::from(plain.to_scalar::<f32>().unwrap()) - right).abs()
                <= 1e-6 * right.abs().max(1.0)
        );
    }
    let x = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    let refusal =
        |targets: &[u32]| cross_entropy(&x, &x, targets, Activations::F32).unwrap_err().to_string();
    assert!(refusal(&[0, 2]).contains("no row 2"), "{}", refusal(&[0, 2]));
    assert!(refusal(&[0]).contains("must hold 2 values"), "{}", refusal(&[0]));
}
