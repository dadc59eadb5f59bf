//! Attention from projections, forward and backward, against the same of single operations: rotations
//! and attention of views. They agree to the last bit.

use c3_kernels::{Activations, Attention, Heads, attention, projected_attention, rope};
use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1f32..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn var(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&random(shape, seed)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.contiguous().unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same of views, rotations and attention.
fn plainly(
    q: Option<&Tensor>,
    kv: &Tensor,
    [cos, sin]: [&Tensor; 2],
    heads: Heads,
    options: &Attention,
) -> candle_core::Result<Tensor> {
    let Heads { heads, kv_heads, head_dim } = heads;
    let split = |x: &Tensor| {
        let (batch, tokens, width) = x.dims3()?;
        x.reshape((batch, tokens, width / head_dim, head_dim))
    };
    let all = split(kv)?;
    let before = if q.is_none() { heads } else { 0 };
    let q = match q {
        Some(q) => split(q)?,
        None => all.narrow(2, 0, heads)?,
    };
    let (batch, queries, ..) = q.dims4()?;
    let last = |x: &Tensor| x.narrow(1, x.dim(1)? - queries, queries)?.contiguous();
    let q = rope(&q, &last(cos)?, &last(sin)?)?;
    let k = rope(&all.narrow(2, before, kv_heads)?, cos, sin)?.transpose(1, 2)?;
    let v = all.narrow(2, before + kv_heads, kv_heads)?.transpose(1, 2)?;
    attention(&q, &k, &v, options)?.reshape((batch, queries, heads * head_dim))
}

#[test]
fn agrees_with_single_operations_to_the_bit() {
    let mut seed = 0;
    let sizes = [(1, 1), (3, 3), (5, 17), (17, 17), (50, 50), (2, 70), (300, 300)];
    for (queries, keys) in sizes {
        for (heads, kv_heads, head_dim) in [(2, 2, 4), (4, 2, 6), (3, 1, 20), (6, 6, 64)] {
            seed += 10;
            let counts = Heads { heads, kv_heads, head_dim };
            let first_key = if seed % 20 == 0 { vec![0, keys / 2] } else { vec![] };
            let activations = if seed % 30 == 0 { Activations::Bf16 } else { Activations::F32 };
            let options = Attention { scale: 0.7, causal: seed % 40 != 0, first_key, activations };
            let before = if queries == keys { heads } else { 0 };
            let kv = var(&[2, keys, (before + 2 * kv_heads) * head_dim], seed);
            let q = (queries < keys).then(|| var(&[2, queries, heads * head_dim], seed + 1));
            let q = q.as_ref().map(Var::as_tensor);
            let angles = [2, 3].map(|i| random(&[2, keys, head_dim / 2], seed + i));
            let angles = [&angles[0], &angles[1]];
            let found = projected_attention(q, &kv, angles, counts, &options).unwrap();
            let right = plainly(q, &kv, angles, counts, &options).unwrap();
            assert_eq!(found.dims(), right.dims());
            assert_eq!(flat(&found), flat(&right), "{queries} {keys} {counts:?} {options:?}");
            let weights = random(found.dims(), seed + 4);
            let [found, right] = [found, right].map(|result| {
                let loss = (result * &weights).unwrap().sum_all().unwrap();
                let grads = loss.backward().unwrap();
                let vars = [Some(kv.as_tensor()), q];
                vars.map(|var| var.map(|var| flat(grads.get(var).unwrap())))
            });
            assert_eq!(found, right, "{queries} {keys} {counts:?} {options:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let heads = Heads { heads: 2, kv_heads: 1, head_dim: 4 };
    let options =
        Attention { scale: 1.0, causal: true, first_key: vec![], activations: Activations::F32 };
    let refusal = |q: Option<&[usize]>, kv: &[usize], angles: &[usize]| {
        let q = q.map(|q| random(q, 1));
        let (kv, angles) = (random(kv, 2), random(angles, 3));
        let found = projected_attention(q.as_ref(), &kv, [&angles, &angles], heads, &options);
        found.unwrap_err().to_string()
    };
    let found = refusal(None, &[1, 5, 12], &[1, 5, 2]);
    assert!(found.contains("kv must have shape [1, 5, 16]"), "{found}");
    let found = refusal(Some(&[1, 3, 12]), &[1, 5, 8], &[1, 5, 2]);
    assert!(found.contains("q must have shape [1, 3, 8]"), "{found}");
    let found = refusal(None, &[1, 5, 16], &[1, 4, 2]);
    assert!(found.contains("cos must have shape [1, 5, 2]"), "{found}");
    let found = refusal(Some(&[1, 6, 8]), &[1, 5, 8], &[1, 5, 2]);
    assert!(found.contains("q must have shape [1, 5, 8]"), "{found}");
    assert!(refusal(None, &[5, 16], &[1, 5, 2]).contains("kv must be [batch, tokens, width]"));
}
