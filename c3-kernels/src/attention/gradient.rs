//! The backward pass of attention on candle's tensors.

use candle_core::{Device, Storage, Tensor};

use super::Attention;
use super::op::{OP, check_shapes, rows};
use crate::cpu::{self, Problem};
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
    // SAFETY: the machine has the level that was detected.
    let [q, k, v] = unsafe { cpu::gradients(Level::detect(), &problem, &grad) };
    Ok([
        Tensor::from_vec(q, q_layout.shape(), &Device::Cpu)?,
        Tensor::from_vec(k, k_layout.shape(), &Device::Cpu)?,
        Tensor::from_vec(v, v_layout.shape(), &Device::Cpu)?,
    ])
}
