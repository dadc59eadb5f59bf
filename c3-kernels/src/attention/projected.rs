//! A transformer's self-attention from its projections, as one operation.
//!
//! Views, rotations and attention as operations of their own say the same, but each of their gradients
//! is as large as the projections, is padded with zeros to all of them and added: in a step of training
//! that was a twelfth of the time.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Device, Layout, Shape, Tensor};

use super::op::fastest;
use super::projections::{Angles, Columns, columns, problem, rotate_back, rotated};
use super::{Attention, AttentionShape};
use crate::cpu::{self, Gradients, Rows};
use crate::error::result_size;
use crate::values::Values;
use crate::{Error, Level, check};

const OP: &str = "projected attention";

/// The heads of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; head `h` reads key-value head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Width of one head, even.
    pub head_dim: usize,
}

/// [`rope`](crate::rope()) of queries and keys, then [`attention`](crate::attention()), to the same bits.
///
/// * `q`: `[batch, queries, heads · head_dim]`, the projected queries of the last tokens of each row;
///   `None` where all tokens ask, and `kv` has theirs.
/// * `kv`: `[batch, tokens, (queries', keys', values') · head_dim]`: the heads of queries if there is no
///   `q`, those of keys, those of values.
/// * `cos`, `sin`: of every token's angles, `[batch, tokens, head_dim / 2]`.
///
/// All are f32, contiguous, on the CPU. The result is `[batch, queries, heads · head_dim]`. The backward
/// pass is that of both, and gives the gradients of `q` and `kv`.
///
/// # Errors
/// If shapes, dtypes, strides or device are not as above.
pub fn projected_attention(
    q: Option<&Tensor>,
    kv: &Tensor,
    [cos, sin]: [&Tensor; 2],
    heads: Heads,
    options: &Attention,
) -> candle_core::Result<Tensor> {
    for (name, tensor) in [("kv", kv), ("cos", cos), ("sin", sin)] {
        check::dtype(OP, name, tensor, "F32", &[DType::F32])?;
    }
    let (cos, sin) = (cos.clone(), sin.clone());
    let op = Op { heads, cos, sin, options: options.clone() };
    match q {
        None => kv.apply_op1(op),
        Some(q) => {
            check::dtype(OP, "q", q, "F32", &[DType::F32])?;
            q.apply_op2(kv, op)
        }
    }
}

struct Op {
    heads: Heads,
    cos: Tensor,
    sin: Tensor,
    options: Attention,
}

/// What both passes see: the shape, and the columns of queries, keys and values.
struct Plan {
    shape: AttentionShape,
    columns: [Columns; 3],
}

impl Op {
    /// `q` and `kv` are dimensions.
    fn plan(&self, q: Option<&[usize]>, kv: &[usize]) -> Result<Plan, Error> {
        let Heads { heads, kv_heads, head_dim } = self.heads;
        let &[batch, keys, width] = kv else {
            let (expected, found) = ("[batch, tokens, width]", kv.to_vec());
            return Err(Error::Rank { op: OP, name: "kv", expected, found });
        };
        // No more of them can ask than there are.
        let queries = q.and_then(|q| q.get(1)).map_or(keys, |&queries| queries.min(keys));
        let own = columns(self.heads, queries, keys, q.is_none());
        let wide = [batch, queries, own[0].width];
        let angles = [batch, keys, head_dim / 2];
        let checked = [
            ("q", q.unwrap_or(&wide), wide),
            ("kv", &[batch, keys, width], [batch, keys, own[1].width]),
            ("cos", self.cos.dims(), angles),
            ("sin", self.sin.dims(), angles),
        ];
        for (name, found, expected) in checked {
            if found != expected {
                let (expected, found) = (expected.to_vec(), found.to_vec());
                return Err(Error::Shape { op: OP, name, expected, found });
            }
        }
        if head_dim % 2 != 0 {
            let (expected, found) = (vec![heads, head_dim + 1], vec![heads, head_dim]);
            return Err(Error::Shape { op: OP, name: "heads", expected, found });
        }
        let shape = AttentionShape { batch, queries, heads, kv_heads, keys, head_dim };
        Ok(Plan { shape, columns: own })
    }

    fn forward(
        &self,
        q: Option<(&CpuStorage, &Layout)>,
        (kv, kv_layout): (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let Plan { shape, columns } =
            self.plan(q.map(|(_, layout)| layout.dims()), kv_layout.dims())?;
        let dims = [shape.batch, shape.queries, shape.heads * shape.head_dim];
        result_size(OP, &dims)?;
        let kv = check::contiguous(OP, "kv", kv.as_slice::<f32>()?, kv_layout)?;
        let q = match q {
            Some((q, layout)) => check::contiguous(OP, "q", q.as_slice::<f32>()?, layout)?,
            None => kv,
        };
        let (cos, sin) = (Values::of(OP, "cos", &self.cos)?, Values::of(OP, "sin", &self.sin)?);
        let angles = Angles { cos: &cos, sin: &sin, tokens: shape.keys, head_dim: shape.head_dim };
        let (q, k) = (rotated(q, columns[0], angles), rotated(kv, columns[1], angles));
        let problem = problem(shape, &self.options, [&q, &k], (kv, columns[2]))?;
        // SAFETY: the machine has the unit that was detected, which isn't that of tiles.
        let out = unsafe { cpu::attention(fastest(&self.options), &problem) };
        Ok((CpuStorage::F32(out), Shape::from(dims.to_vec())))
    }

    /// The gradients of `q`, if there is one, and of `kv`.
    fn gradients(
        &self,
        q: Option<&Tensor>,
        kv: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Tensor)> {
        let grad = grad.contiguous()?;
        let grad = Values::of(OP, "the gradient", &grad)?;
        let of_kv = Values::of(OP, "kv", kv)?;
        let of_q = q.map(|q| Values::of(OP, "q", q)).transpose()?;
        let (cos, sin) = (Values::of(OP, "cos", &self.cos)?, Values::of(OP, "sin", &self.sin)?);
        let Plan { shape, columns } = self.plan(q.map(Tensor::dims), kv.dims())?;
        let AttentionShape { batch, queries, heads, keys, head_dim, .. } = shape;
        let angles = Angles { cos: &cos, sin: &sin, tokens: keys, head_dim };
        let rotated_q = rotated(of_q.as_deref().unwrap_or(&of_kv), columns[0], angles);
        let rotated_k = rotated(&of_kv, columns[1], angles);
        let problem =
            problem(shape, &self.options, [&rotated_q, &rotated_k], (&of_kv, columns[2]))?;
        let (wide, dims) = (heads * head_dim, [batch, queries, heads, head_dim]);
        let grad = Rows::new("the gradient", &grad, 0, [queries * wide, wide, head_dim], dims)?;
        let mut dkv = vec![0f32; of_kv.len()];
        let mut dq = of_q.as_deref().map(|q| vec![0f32; q.len()]);
        let [of_q, of_k, of_v] = columns;
        let to_kv = dkv.as_mut_ptr();
        let to_q = dq.as_mut().map_or(to_kv, |dq| dq.as_mut_ptr());
        let to = Gradients {
            q: of_q.place(to_q, head_dim),
            k: of_k.place(to_kv, head_dim),
            v: of_v.place(to_kv, head_dim),
        };
        // SAFETY: the machine has the level that was detected; `plan` checked that columns lie within
        // their projections, side by side.
        unsafe { cpu::gradients(Level::detect(), &problem, &grad, to) }
        rotate_back(&mut dkv, of_k, angles);
        rotate_back(dq.as_mut().unwrap_or(&mut dkv), of_q, angles);
        let dq = match (q, dq) {
            (Some(q), Some(dq)) => Some(Tensor::from_vec(dq, q.shape(), &Device::Cpu)?),
            _ => None,
        };
        Ok((dq, Tensor::from_vec(dkv, kv.shape(), &Device::Cpu)?))
    }
}

impl CustomOp1 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        kv: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward(None, (kv, layout))
    }

    fn bwd(&self, kv: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.gradients(None, kv, grad)?.1))
    }
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        kv: &CpuStorage,
        kv_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward(Some((q, q_layout)), (kv, kv_layout))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dq, dkv) = self.gradients(Some(q), kv, grad)?;
        Ok((dq, Some(dkv)))
    }
}
