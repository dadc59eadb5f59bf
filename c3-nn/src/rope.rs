//! Rotary position embedding with explicit position ids.

use c3_kernels::{Attention, Heads};
use candle_core::{Device, Tensor};
use half::bf16;

use crate::{Qwen2Config, Result, RopeFrequencies};

/// Cosines and sines of the rotary angles at the positions of one pass, in f32 whatever the
/// weights are: in bf16, positions above 256 would be rounded and angles wrong by radians.
pub(crate) struct Rope {
    cos: Tensor, // [batch, tokens, head_dim / 2]
    sin: Tensor, // [batch, tokens, head_dim / 2]
}

/// Angle of position 1 for each pair of dimensions: `theta^(-2i / head_dim)`, computed in f32 in
/// the order that transformers computes it, so that far positions agree to the last bit.
pub(crate) fn inverse_frequencies(config: &Qwen2Config) -> Vec<f32> {
    let dim = config.head_dim();
    let exact =
        (0..dim / 2).map(|i| 1.0 / (config.rope_theta as f32).powf(2.0 * i as f32 / dim as f32));
    match config.rope_frequencies {
        RopeFrequencies::F32 => exact.collect(),
        RopeFrequencies::Bf16 => exact.map(|f| bf16::from_f32(f).to_f32()).collect(),
    }
}

impl Rope {
    /// `positions` is `[batch, tokens]`, row-major.
    pub fn new(
        frequencies: &[f32],
        positions: &[u32],
        batch: usize,
        device: &Device,
    ) -> Result<Self> {
        let half = frequencies.len();
        let tokens = positions.len() / batch.max(1);
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        cos.reserve_exact(positions.len() * half);
        sin.reserve_exact(positions.len() * half);
        for &position in positions {
            for frequency in frequencies {
                let (s, c) = (position as f32 * frequency).sin_cos();
                cos.push(c);
                sin.push(s);
            }
        }
        let shape = (batch, tokens, half);
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
        })
    }

    /// The angles of the last `rows` tokens of every batch row alone.
    pub fn last(&self, rows: usize) -> Result<Self> {
        let cut = |x: &Tensor| -> Result<Tensor> {
            Ok(x.narrow(1, x.dim(1)? - rows, rows)?.contiguous()?)
        };
        Ok(Self { cos: cut(&self.cos)?, sin: cut(&self.sin)? })
    }

    /// Attention of projections whose queries and keys are yet to be rotated, on the CPU: as
    /// [`projected_attention`](c3_kernels::projected_attention).
    pub fn attend(
        &self,
        q: Option<&Tensor>,
        kv: &Tensor,
        heads: Heads,
        options: &Attention,
    ) -> Result<Tensor> {
        Ok(c3_kernels::projected_attention(q, kv, [&self.cos, &self.sin], heads, options)?)
    }

    /// Rotates `x`, `[batch, tokens, heads, head_dim]`.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(c3_kernels::rope(x, &self.cos, &self.sin)?)
    }
}
