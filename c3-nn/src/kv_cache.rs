//! Keys and values of the positions that a batch has been through.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Qwen2Config, Result};

/// A KV cache of fixed capacity, allocated once: a step writes its rows in place and nothing is
/// ever copied to make room.
pub struct KvCache {
    layers: Vec<(Tensor, Tensor)>, // keys and values, [slots, kv_heads, capacity, head_dim]
    len: usize,
    capacity: usize,
    batch: usize,
}

impl KvCache {
    /// Room for `batch` rows of `capacity` positions in `dtype`.
    ///
    /// # Errors
    /// Where the device can't allocate it.
    pub fn new(
        config: &Qwen2Config,
        batch: usize,
        capacity: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let shape = (batch, config.num_key_value_heads, capacity, config.head_dim());
        let zeros = || Tensor::zeros(shape, dtype, device);
        let layers = (0..config.num_hidden_layers)
            .map(|_| Ok((zeros()?, zeros()?)))
            .collect::<Result<_>>()?;
        Ok(Self { layers, len: 0, capacity, batch })
    }

    /// Positions in use, the same for every row.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no position is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rows in use.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Writes one layer's new keys and values (`[batch, tokens, kv_heads, head_dim]`) behind the
    /// positions in use; returns all of that layer's, `[batch, kv_heads, len + tokens, head_dim]`.
    pub(crate) fn append(
        &self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let tokens = keys.dim(1)?;
        if self.len + tokens > self.capacity {
            let Self { capacity, len, .. } = *self;
            return Err(Error::CacheFull { capacity, len, more: tokens });
        }
        let put = |cache: &Tensor, new: &Tensor| -> Result<Tensor> {
            let cache = cache.narrow(0, 0, self.batch)?;
            cache.slice_set(&new.transpose(1, 2)?.contiguous()?, 2, self.len)?;
            Ok(cache.narrow(2, 0, self.len + tokens)?)
        };
        let (k, v) = &self.layers[layer];
        Ok((put(k, keys)?, put(v, values)?))
    }

    /// Counts `tokens` positions as used, once every layer has written them.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Forgets the positions from `len` on, for every row; more than are in use are no change. What
    /// comes next takes their place.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes row `row` out of the batch; the last row takes its place.
    ///
    /// # Errors
    /// Where there is no such row, or the device fails.
    pub fn swap_remove(&mut self, row: usize) -> Result<()> {
        let last = self.batch.checked_sub(1).filter(|&last| row <= last);
        let last = last.ok_or_else(|| Error::Shape {
            what: "a row of a KV cache",
            expected: format!("a number below {}", self.batch),
            found: row.to_string(),
        })?;
        if row != last {
            for (keys, values) in &self.layers {
                for cache in [keys, values] {
                    // `copy` would copy the whole cache that the view is of.
                    let moved = cache.narrow(0, last, 1)?.narrow(2, 0, self.len)?;
                    cache.narrow(0, row, 1)?.slice_set(&moved.force_contiguous()?, 2, 0)?;
                }
            }
        }
        self.batch = last;
        Ok(())
    }
}
