//! The backward pass of attention on candle's tensors.

use candle_core::{Device, Storage, Tensor};

use super::op::{OP, check_shapes, rows};
use super::{Attention, AttentionShape};
use crate::cpu::{self, Gradients, Place, Problem};
use crate::shared::Shared;
use crate::{Error, Level, on_device};

/// The gradients of q, k and v, each contiguous, of its argument's shape.
pub(super) fn gradients(
    options: &Attention,
    [q, k, v]: [&Tensor; 3],
    grad: &Tensor,
) -> candle_core::Result<[Tensor; 3]> {
    if !q.device().is_cpu() {
        let shape = check_shapes(q.layout(), k.layout(), v.layout())?;
        return on_device::attention_gradients(&shape, options, [q, k, v], grad);
    }
    let grad = &grad.contiguous()?;
    let [(q, q_layout), (k, k_layout), (v, v_layout), (grad, grad_layout)] =
        [q, k, v, grad].map(Tensor::storage_and_layout);
    let (Storage::Cpu(q), Storage::Cpu(k), Storage::Cpu(v), Storage::Cpu(grad)) =
        (&*q, &*k, &*v, &*grad)
    else {
        return Err(Error::Device { op: OP, found: "another device" }.into());
    };
    let shape = check_shapes(q_layout, k_layout, v_layout)?;
    shape.check(options)?;
    let problem = Problem {
        shape,
        options,
        q: rows("q", q, q_layout)?,
        k: rows("k", k, k_layout)?,
        v: rows("v", v, v_layout)?,
    };
    let grad = rows("the gradient", grad, grad_layout)?;
    let AttentionShape { batch, queries, heads, kv_heads, keys, head_dim } = problem.shape;
    let mut of_q = vec![0f32; batch * queries * heads * head_dim];
    let kv = batch * kv_heads * keys * head_dim;
    let (mut of_k, mut of_v) = (vec![0f32; kv], vec![0f32; kv]);
    let strides = [kv_heads * keys * head_dim, head_dim, keys * head_dim];
    let kv = |of: &mut Vec<f32>| Place { to: Shared(of.as_mut_ptr()), strides };
    let strides = [queries * heads * head_dim, heads * head_dim, head_dim];
    let q_place = Place { to: Shared(of_q.as_mut_ptr()), strides };
    let to = Gradients { q: q_place, k: kv(&mut of_k), v: kv(&mut of_v) };
    // SAFETY: the machine has the level that was detected; places have the shapes' strides.
    unsafe { cpu::gradients(Level::detect(), &problem, &grad, to) }
    Ok([
        Tensor::from_vec(of_q, q_layout.shape(), &Device::Cpu)?,
        Tensor::from_vec(of_k, k_layout.shape(), &Device::Cpu)?,
        Tensor::from_vec(of_v, v_layout.shape(), &Device::Cpu)?,
    ])
}
