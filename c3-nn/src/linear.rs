//! Products with weight matrices.

use candle_core::{DType, Tensor};

use crate::Result;

/// `x · wᵀ + bias`: `[.., in]` × `[out, in]` → `[.., out]`, f32.
///
/// # Errors
/// Where the shapes don't fit together.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, into) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(out);
    let x = x.reshape(((), into))?;
    let y = x.matmul(&weight.to_dtype(DType::F32)?.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    Ok(y.reshape(shape)?)
}
