//! Gradients by candle's own operations, for devices that have no backward pass written by hand. They
//! hold what they compute in memory as a whole.

use candle_core::{D, DType, Tensor};

use crate::attention::{Attention, AttentionShape};

/// Scores of keys that aren't seen are this much lower: their weights are zeros.
const UNSEEN: f64 = 1e30;

/// The gradient of `silu(gate) · up` in x `[.., 2 · width]`, given the result's `[.., width]`.
pub(crate) fn swiglu_gradient(x: &Tensor, grad: &Tensor) -> candle_core::Result<Tensor> {
    let width = x.dim(D::Minus1)? / 2;
    let gate = x.narrow(D::Minus1, 0, width)?.contiguous()?;
    let up = x.narrow(D::Minus1, width, width)?.contiguous()?;
    let one = Tensor::ones_like(&gate)?;
    let sigmoid = (gate.neg()?.exp()? + &one)?.recip()?;
    let slope = ((&gate * (&one - &sigmoid)?)? + &one)?;
    let of_gate = ((grad * up)? * (&sigmoid * slope)?)?;
    let of_up = ((grad * gate)? * sigmoid)?;
    Tensor::cat(&[of_gate, of_up], D::Minus1)
}

/// The gradients of attention in q, k and v, contiguous, of their shapes, given the result's. With
/// `p` the weights of values and `do` that gradient: `dv = pᵀ do`, `ds = p ∘ (do vᵀ − Σ p ∘ do vᵀ)`,
/// `dq = scale · ds k`, `dk = scale · dsᵀ q` (Dao et al. 2022, arXiv 2205.14135, appendix B.2).
pub(crate) fn attention_gradients(
    shape: &AttentionShape,
    options: &Attention,
    [q, k, v]: [&Tensor; 3],
    grad: &Tensor,
) -> candle_core::Result<[Tensor; 3]> {
    let &AttentionShape { batch, queries, heads, kv_heads, head_dim, .. } = shape;
    let scale = f64::from(options.scale);
    // Query heads that share keys are rows of one product: [batch, kv_heads, group · queries, head_dim]
    let grouped =
        |x: &Tensor| x.transpose(1, 2)?.contiguous()?.reshape((batch, kv_heads, (), head_dim));
    let (q, grad) = (grouped(q)?, grouped(grad)?);
    let (k, v) = (k.contiguous()?, v.contiguous()?);
    let seen = seen(shape, options, &q)?; // [batch or 1, 1, group · queries, keys]
    let hidden = seen.affine(UNSEEN, -UNSEEN)?;
    let scores = q.matmul(&k.t()?)?.affine(scale, 0.0)?.broadcast_add(&hidden)?;
    let largest = scores.max_keepdim(D::Minus1)?;
    let p = scores.broadcast_sub(&largest)?.exp()?.broadcast_mul(&seen)?;
    // A query that sees nothing gives zeros, not a division by zero.
    let sum = p.sum_keepdim(D::Minus1)?.maximum(f64::from(f32::MIN_POSITIVE))?;
    let p = p.broadcast_div(&sum)?;
    let dv = p.t()?.contiguous()?.matmul(&grad)?;
    let dp = grad.matmul(&v.t()?)?;
    let mean = (&p * &dp)?.sum_keepdim(D::Minus1)?;
    let ds = (p * dp.broadcast_sub(&mean)?)?.affine(scale, 0.0)?;
    let dk = ds.t()?.contiguous()?.matmul(&q)?;
    let dq = ds.matmul(&k)?.reshape((batch, heads, queries, head_dim))?;
    Ok([dq.transpose(1, 2)?.contiguous()?, dk, dv])
}

/// 1 where a query sees a key, else 0, for each row of the batch or for all of them:
/// `[batch or 1, 1, group · queries, keys]`, of the device and dtype of `like`.
fn seen(shape: &AttentionShape, options: &Attention, like: &Tensor) -> candle_core::Result<Tensor> {
    let &AttentionShape { batch, queries, keys, .. } = shape;
    let batch = if options.first_key.is_empty() { 1 } else { batch };
    let rows = shape.group() * queries;
    let mut seen = vec![0f32; batch * rows * keys];
    for (i, row) in seen.chunks_mut(keys.max(1)).enumerate() {
        let visible = shape.visible(options, i / rows.max(1), i % queries);
        row[visible].fill(1.0);
    }
    Tensor::from_vec(seen, (batch, 1, rows, keys), like.device())?.to_dtype(like.dtype())
}

/// The mean over rows of `−ln softmax(x wᵀ)[target]`, all logits in memory at once.
pub(crate) fn cross_entropy(
    x: &Tensor,
    w: &Tensor,
    targets: &[u32],
) -> candle_core::Result<Tensor> {
    let logits = x.matmul(&w.t()?)?; // [rows, n]
    let targets = Tensor::new(targets, x.device())?.unsqueeze(1)?;
    let largest = logits.max_keepdim(1)?.detach();
    let sum = logits.broadcast_sub(&largest)?.exp()?.sum_keepdim(1)?;
    let losses = ((sum.log()? + largest)? - logits.gather(&targets, 1)?)?;
    losses.mean_all()?.to_dtype(DType::F32)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::Activations;

    fn random(shape: &[usize]) -> Tensor {
        Tensor::rand(-1f32, 1f32, shape, &Device::Cpu).unwrap()
    }

    fn assert_close(found: &Tensor, right: &Tensor, what: &str) {
        assert_eq!(found.dims(), right.dims(), "{what}");
        let norm =
            |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
        let (error, size) = (norm(&(found - right).unwrap()), norm(right));
        // Not a number is no less than anything.
        assert!(error <= 1e-5 * size.max(1.0), "{what}: {error} of {size}");
    }

    #[test]
    fn the_gate_is_derived_as_by_hand() {
        for (rows, width) in [(1, 1), (3, 7), (5, 33)] {
            let x = Var::from_tensor(&(random(&[rows, 2 * width]) * 60.0).unwrap()).unwrap();
            let grad = random(&[rows, width]);
            let result = (crate::swiglu(x.as_tensor()).unwrap() * &grad).unwrap();
            let by_hand = result.sum_all().unwrap().backward().unwrap();
            let found = swiglu_gradient(x.as_tensor(), &grad).unwrap();
            assert_close(&found, by_hand.get(&x).unwrap(), &format!("{rows} × {width}"));
        }
    }

    #[test]
    fn attention_is_derived_as_by_hand() {
        for (queries, keys, heads, kv_heads, causal, first_key) in [
            (1, 1, 1, 1, true, vec![]),
            (5, 9, 4, 2, true, vec![0, 7]),
            // Some queries stand before the first key, and one row has no key at all.
            (7, 4, 3, 1, true, vec![2, 4]),
            (6, 6, 2, 2, false, vec![]),
        ] {
            let shape = AttentionShape { batch: 2, queries, heads, kv_heads, keys, head_dim: 5 };
            let activations = Activations::F32;
            let options = Attention { scale: 0.7, causal, first_key, activations };
            let q = Var::from_tensor(&random(&[2, queries, heads, 5])).unwrap();
            let [k, v] =
                [(); 2].map(|()| Var::from_tensor(&random(&[2, kv_heads, keys, 5])).unwrap());
            let grad = random(&[2, queries, heads, 5]);
            let all = [&q, &k, &v].map(Var::as_tensor);
            let result = crate::attention(all[0], all[1], all[2], &options).unwrap();
            let by_hand = (result * &grad).unwrap().sum_all().unwrap().backward().unwrap();
            let found = attention_gradients(&shape, &options, all, &grad).unwrap();
            for ((found, var), name) in found.iter().zip(all).zip(["q", "k", "v"]) {
                assert_close(found, by_hand.get(var).unwrap(), &format!("{name}: {shape:?}"));
            }
        }
    }

    #[test]
    fn the_loss_and_its_gradients_are_those_made_by_hand() {
        let (rows, n, k) = (7, 33, 5);
        let x = Var::from_tensor(&(random(&[rows, k]) * 20.0).unwrap()).unwrap();
        let w = Var::from_tensor(&random(&[n, k])).unwrap();
        let targets = [0, 32, 4, 4, 17, 9, 31];
        let by_hand =
            crate::cross_entropy(x.as_tensor(), w.as_tensor(), &targets, Activations::F32).unwrap();
        let found = cross_entropy(x.as_tensor(), w.as_tensor(), &targets).unwrap();
        assert_close(&found, &by_hand, "loss");
        let (found, by_hand) = (found.backward().unwrap(), by_hand.backward().unwrap());
        for (var, name) in [(&x, "x"), (&w, "w")] {
            assert_close(found.get(var).unwrap(), by_hand.get(var).unwrap(), name);
        }
    }
}
