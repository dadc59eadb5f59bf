//! Rotary position embedding with the angles given.

use candle_core::{CpuStorage, CudaStorage, CustomOp3, DType, Layout, MetalStorage, Shape, Tensor};
use rayon::prelude::*;

use crate::error::result_size;
use crate::{Error, check, cuda};

const OP: &str = "rope";

/// Values below which waking other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// Rotates each head's halves against each other: `(a, b) → (a cos − b sin, a sin + b cos)`, as
/// Llama and Qwen2 pair the dimensions (Su et al. 2021, arXiv 2104.09864).
///
/// `x` is f32, or on CUDA f32, f16 or bf16, `[batch, tokens, heads, head_dim]` with any strides as long as the last dimension is
/// contiguous, such as some heads of a larger tensor; `cos` and `sin` are f32
/// `[batch, tokens, head_dim / 2]`, contiguous. The result is contiguous, of x's shape.
///
/// # Errors
/// If shapes, dtypes or strides are not as above, or the tensors are on a device without kernels. The
/// backward pass gives the gradient of `x` alone.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> candle_core::Result<Tensor> {
    check::float(OP, "x", x)?;
    for (name, tensor) in [("cos", cos), ("sin", sin)] {
        check::dtype(OP, name, tensor, "F32", &[DType::F32])?;
    }
    x.apply_op3(cos, sin, Op)
}

struct Op;

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let [_, tokens, heads, head_dim] = check_shapes(x_layout, cos_layout, sin_layout)?;
        let half = head_dim / 2;
        let [sb, st, sh] = [0, 1, 2].map(|i| x_layout.stride()[i]);
        let values = x.as_slice::<f32>()?;
        let cos = check::contiguous(OP, "cos", cos.as_slice::<f32>()?, cos_layout)?;
        let sin = check::contiguous(OP, "sin", sin.as_slice::<f32>()?, sin_layout)?;
        let mut out = vec![0f32; result_size(OP, x_layout.dims())?];
        let token = |(at, out): (usize, &mut [f32])| {
            let (cos, sin) = (&cos[at * half..][..half], &sin[at * half..][..half]);
            let start = x_layout.start_offset() + at / tokens * sb + at % tokens * st;
            for (head, out) in out.chunks_mut(head_dim).enumerate() {
                let (a, b) = values[start + head * sh..][..head_dim].split_at(half);
                let (to_a, to_b) = out.split_at_mut(half);
                for i in 0..half {
                    to_a[i] = a[i] * cos[i] - b[i] * sin[i];
                    to_b[i] = a[i] * sin[i] + b[i] * cos[i];
                }
            }
        };
        let width = heads * head_dim;
        if width > 0 && out.len() >= WORTH_THREADS {
            out.par_chunks_mut(width).enumerate().for_each(token);
        } else if width > 0 {
            out.chunks_mut(width).enumerate().for_each(token);
        }
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    /// The rotation back.
    fn bwd(
        &self,
        _: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok((Some(rope(&grad.contiguous()?, cos, &sin.neg()?)?), None, None))
    }
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        cos: &CudaStorage,
        cos_layout: &Layout,
        sin: &CudaStorage,
        sin_layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        check_shapes(x_layout, cos_layout, sin_layout)?;
        result_size(OP, x_layout.dims())?;
        for (name, layout) in [("cos", cos_layout), ("sin", sin_layout)] {
            check::contiguous_offsets(OP, name, layout)?;
        }
        let out = cuda::rope_on_device((x, x_layout), (cos, cos_layout), (sin, sin_layout))?;
        Ok((out, x_layout.shape().clone()))
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

/// The dimensions of x.
fn check_shapes(x: &Layout, cos: &Layout, sin: &Layout) -> Result<[usize; 4], Error> {
    let &[batch, tokens, heads, head_dim] = x.dims() else {
        let (expected, found) = ("[batch, tokens, heads, head_dim]", x.dims().to_vec());
        return Err(Error::Rank { op: OP, name: "x", expected, found });
    };
    let expected = [batch, tokens, head_dim / 2];
    for (name, layout) in [("cos", cos), ("sin", sin)] {
        if layout.dims() != expected || head_dim % 2 != 0 {
            let (expected, found) = (expected.to_vec(), layout.dims().to_vec());
            return Err(Error::Shape { op: OP, name, expected, found });
        }
    }
    if head_dim > 1 && x.stride()[3] != 1 {
        return Err(Error::Layout {
            op: OP,
            name: "x",
            expected: "contiguous in its last dimension",
            shape: x.dims().to_vec(),
            strides: x.stride().to_vec(),
        });
    }
    Ok([batch, tokens, heads, head_dim])
}
