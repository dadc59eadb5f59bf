//! Pairs of bf16 on a model of the instruction, for machines that lack it. Tolerance: relative RMS
//! 6e-3, as in `tests/attention.rs`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::plan::Plan;
use super::problem::{Problem, Rows, Sink};
use super::{combine, many_rows};
use crate::attention::{Attention, AttentionShape};
use crate::shared::Shared;
use crate::simd::{ModelPairs, with_scratch};
use crate::{Activations, reference};

fn on_the_model(problem: &Problem<'_>) -> Vec<f32> {
    let shape = &problem.shape;
    let plan = Plan::new(shape, problem.options);
    let mut out = vec![0f32; shape.batch * shape.queries * shape.heads * shape.head_dim];
    let mut parts = vec![0f32; plan.part_values];
    let (to, shared_parts) = (Shared(out.as_mut_ptr()), Shared(parts.as_mut_ptr()));
    for task in &plan.tasks {
        let sink = Sink { problem, task, out: to, parts: shared_parts };
        with_scratch(|scratch| unsafe { many_rows::many_rows::<ModelPairs, 4>(scratch, &sink) });
    }
    for tasks in &plan.split {
        unsafe { combine::combine(problem, &plan.tasks[tasks.clone()], &parts, to) }
    }
    out
}

#[test]
fn pairs_agree_with_the_reference() {
    let mut seed = 0;
    for queries in [1, 5, 33] {
        for keys in [1, 2, 63, 64, 65, 1500] {
            for (heads, kv_heads, head_dim) in [(6, 2, 16), (4, 4, 7), (3, 1, 33)] {
                seed += 1;
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut values = |n: usize| -> Vec<f32> {
                    (0..n).map(|_| rng.random_range(-2f32..2.0)).collect()
                };
                let shape = AttentionShape { batch: 2, queries, heads, kv_heads, keys, head_dim };
                let options = Attention {
                    scale: (head_dim as f32).sqrt().recip(),
                    causal: seed % 2 == 0,
                    first_key: vec![0, keys / 2],
                    activations: Activations::Bf16,
                };
                let q = values(2 * queries * heads * head_dim);
                let k = values(2 * kv_heads * keys * head_dim);
                let v = values(2 * kv_heads * keys * head_dim);
                let row = heads * head_dim;
                let kv = [kv_heads * keys * head_dim, keys * head_dim, head_dim];
                let (of_q, of_k) = ([2, queries, heads, head_dim], [2, kv_heads, keys, head_dim]);
                let problem = Problem {
                    shape,
                    options: &options,
                    q: Rows::new("q", &q, 0, [queries * row, row, head_dim], of_q).unwrap(),
                    k: Rows::new("k", &k, 0, kv, of_k).unwrap(),
                    v: Rows::new("v", &v, 0, kv, of_k).unwrap(),
                };
                let right = reference::attention(&q, &k, &v, &shape, &options).unwrap().values;
                let found = on_the_model(&problem);
                let square: f64 = right.iter().map(|x| x * x).sum();
                let error: f64 =
                    found.iter().zip(&right).map(|(&x, y)| (f64::from(x) - y).powi(2)).sum();
                assert!(error <= 36e-6 * square, "{shape:?}: {:e}", (error / square).sqrt());
            }
        }
    }
}
