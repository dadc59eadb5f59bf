//! Attention as an operation on candle's tensors.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Shape, Tensor};

use super::{Attention, AttentionShape};
use crate::cpu::{self, Problem, Rows};
use crate::error::result_size;
use crate::{Error, Level, Unit, check, cuda};

pub(super) const OP: &str = "attention";

/// Softmax attention: `softmax(scale · q kᵀ) v` for each query head.
///
/// `q` is `[batch, queries, heads, head_dim]`; `k` and `v` are
/// `[batch, kv_heads, keys, head_dim]`, typically views of a larger KV cache. All are f32, or on CUDA
/// all f32, f16 or bf16, with any strides as long as the last dimension is contiguous. The result is contiguous,
/// `[batch, queries, heads, head_dim]`. [`Attention`] says which keys a query sees; one that sees
/// none gets zeros.
///
/// Query head `h` reads key-value head `h / (heads / kv_heads)`; repeated heads are never
/// materialised. Sums are f32; [`Attention::activations`] says whether what is multiplied may be
/// rounded.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, the tensors are on a device without kernels, or on
/// CUDA a head hasn't [64 or 128](crate::cuda::HEAD_DIMS) values. The backward pass is the CPU's, in f32
/// whatever the forward one rounded.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    options: &Attention,
) -> candle_core::Result<Tensor> {
    attention_with(fastest(options), q, k, v, options)
}

/// The fastest unit that the options allow.
pub(super) fn fastest(options: &Attention) -> Unit {
    match Unit::detect(options.activations) {
        // Attention isn't written for them.
        Unit::Tiles => Unit::Vector(Level::detect()),
        unit => unit,
    }
}

/// [`attention`] on a unit of one's choice; a [`Level`] is the unit of its vectors.
///
/// # Errors
/// As [`attention`], and if the machine doesn't have the unit, it is that of tiles, or the options
/// don't allow it to round.
pub fn attention_with(
    unit: impl Into<Unit>,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    options: &Attention,
) -> candle_core::Result<Tensor> {
    let (unit, activations) = (unit.into(), options.activations);
    if !unit.is_available() || !unit.takes(activations) || unit == Unit::Tiles {
        return Err(Error::Unit { op: OP, unit, activations }.into());
    }
    check::float(OP, "q", q)?;
    for (name, tensor) in [("k", k), ("v", v)] {
        check::same_dtype(OP, name, tensor, q)?;
    }
    q.apply_op3(k, v, Op { unit, options: options.clone() })
}

struct Op {
    unit: Unit,
    options: Attention,
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = check_shapes(q_layout, k_layout, v_layout)?;
        shape.check(&self.options)?;
        result_size(OP, q_layout.dims())?;
        let problem = Problem {
            shape,
            options: &self.options,
            q: rows("q", q, q_layout)?,
            k: rows("k", k, k_layout)?,
            v: rows("v", v, v_layout)?,
        };
        // SAFETY: `attention_with` checked that the machine has the unit.
        let out = unsafe { cpu::attention(self.unit, &problem) };
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [q, k, v] = super::gradient::gradients(&self.options, [q, k, v], grad)?;
        Ok((Some(q), Some(k), Some(v)))
    }

    fn cuda_fwd(
        &self,
        q: &CudaStorage,
        q_layout: &Layout,
        k: &CudaStorage,
        k_layout: &Layout,
        v: &CudaStorage,
        v_layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let shape = check_shapes(q_layout, k_layout, v_layout)?;
        shape.check(&self.options)?;
        result_size(OP, q_layout.dims())?;
        let views = [(q, q_layout), (k, k_layout), (v, v_layout)];
        let out = cuda::attention_on_device(&shape, &self.options, views)?;
        Ok((out, q_layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> candle_core::Result<(MetalStorage, Shape)> {
        check::refused(OP, "Metal")
    }
}

pub(super) fn rows<'a>(
    name: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<Rows<'a>> {
    let (&[a, b, c, d], &[sa, sb, sc, _]) = (layout.dims(), layout.stride()) else {
        return Err(Error::Rank {
            op: OP,
            name,
            expected: "four dimensions",
            found: layout.dims().to_vec(),
        }
        .into());
    };
    let values = storage.as_slice::<f32>()?;
    Ok(Rows::new(name, values, layout.start_offset(), [sa, sb, sc], [a, b, c, d])?)
}

pub(super) fn check_shapes(q: &Layout, k: &Layout, v: &Layout) -> Result<AttentionShape, Error> {
    let &[batch, queries, heads, head_dim] = q.dims() else {
        let expected = "[batch, queries, heads, head_dim]";
        return Err(Error::Rank { op: OP, name: "q", expected, found: q.dims().to_vec() });
    };
    let &[_, kv_heads, keys, _] = k.dims() else {
        let expected = "[batch, kv_heads, keys, head_dim]";
        return Err(Error::Rank { op: OP, name: "k", expected, found: k.dims().to_vec() });
    };
    for (name, layout) in [("k", k), ("v", v)] {
        let expected = [batch, kv_heads, keys, head_dim];
        if layout.dims() != expected {
            let (expected, found) = (expected.to_vec(), layout.dims().to_vec());
            return Err(Error::Shape { op: OP, name, expected, found });
        }
    }
    for (name, layout) in [("q", q), ("k", k), ("v", v)] {
        if head_dim > 1 && layout.stride()[3] != 1 {
            return Err(Error::Layout {
                op: OP,
                name,
                expected: "contiguous in its last dimension",
                shape: layout.dims().to_vec(),
                strides: layout.stride().to_vec(),
            });
        }
    }
    Ok(AttentionShape { batch, queries, heads, kv_heads, keys, head_dim })
}
