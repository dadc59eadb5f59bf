//! How much memory a model takes: computed from its shape, before anything is loaded.
//!
//! All sums saturate: a shape or a batch that no memory holds gives a number that none has.

use c3_kernels::{BlockType, PackedMatrix};

use crate::qwen2::{EMBEDDINGS, MLP_BYTES};
use crate::stored::{Format, fitting};
use crate::{LoadOptions, Qwen2Config, WeightDtype, Weights};

const F32: u64 = size_of::<f32>() as u64;

impl WeightDtype {
    /// Bytes that a weight matrix `[out, in]` takes in memory; `stored` is its format in the file.
    /// The one place to say what a way of keeping weights costs.
    fn matrix_bytes(self, [out, into]: [usize; 2], stored: &Format) -> u64 {
        let of_value = match (self, stored) {
            (Self::Bf16, _) | (Self::Stored | Self::Auto, Format::BF16) => {
                return PackedMatrix::bytes_for([out, into]);
            }
            (Self::Quantized(kind), _) => match fitting(kind, into) {
                Some(kind) => return block_bytes(kind, [out, into]),
                None => 2,
            },
            // They stay in their file, whose pages come and go, but all are read for each token.
            (Self::Stored | Self::Auto, Format::Blocks(kind)) => {
                return block_bytes(*kind, [out, into]);
            }
            (Self::F16, _) | (Self::Stored, Format::F16) => 2,
            (Self::F32 | Self::Auto | Self::Stored, _) => 4,
        };
        product([out, into]).saturating_mul(of_value)
    }

    /// As [`matrix_bytes`](Self::matrix_bytes), of a matrix that is only looked up and never packed.
    fn table_bytes(self, shape: [usize; 2], stored: &Format) -> u64 {
        match (self, stored) {
            (Self::Bf16, _) | (Self::Stored | Self::Auto, Format::BF16) => {
                product(shape).saturating_mul(2)
            }
            _ => self.matrix_bytes(shape, stored),
        }
    }
}

/// Bytes of a matrix in blocks.
fn block_bytes(kind: BlockType, [out, into]: [usize; 2]) -> u64 {
    product([out, into / kind.block_len()]).saturating_mul(kind.block_bytes() as u64)
}

impl Weights {
    /// Bytes that these matrices, named and `[out, in]`, take as [`Weights::matrix`] keeps them. Those
    /// that the file lacks are counted as bf16: whoever loads them is told.
    pub fn matrix_bytes<'a>(
        &self,
        matrices: impl IntoIterator<Item = (&'a str, [usize; 2])>,
        options: &LoadOptions,
    ) -> u64 {
        let bytes = |(name, shape)| {
            options.dtype.matrix_bytes(shape, self.format(name).unwrap_or(&Format::BF16))
        };
        matrices.into_iter().map(bytes).fold(0, u64::saturating_add)
    }
}

impl Qwen2Config {
    /// Bytes of the model's weights once they are loaded, with its head or without.
    pub fn weight_bytes(&self, weights: &Weights, options: &LoadOptions, head: bool) -> u64 {
        let (hidden, wide) = (self.hidden_size, self.intermediate_size);
        let kv = self.num_key_value_heads * self.head_dim();
        let layer = [
            ("self_attn.q_proj", [hidden, hidden]),
            ("self_attn.k_proj", [kv, hidden]),
            ("self_attn.v_proj", [kv, hidden]),
            ("self_attn.o_proj", [hidden, hidden]),
            ("mlp.gate_proj", [wide, hidden]),
            ("mlp.up_proj", [wide, hidden]),
            ("mlp.down_proj", [hidden, wide]),
        ];
        // A layer is like any other; asking for each by name would cost more than it tells.
        let names = layer.map(|(name, shape)| (format!("model.layers.0.{name}.weight"), shape));
        let named = names.iter().map(|(name, shape)| (name.as_str(), *shape));
        let of_layer = weights.matrix_bytes(named, options);
        let vocabulary = [self.vocab_size, hidden];
        let stored = weights.format(EMBEDDINGS).unwrap_or(&Format::BF16);
        let outer = match (head, self.tie_word_embeddings) {
            (true, true) => options.dtype.matrix_bytes(vocabulary, stored),
            (false, _) => options.dtype.table_bytes(vocabulary, stored),
            (true, false) => {
                let head = weights.matrix_bytes([("lm_head.weight", vocabulary)], options);
                head.saturating_add(options.dtype.table_bytes(vocabulary, stored))
            }
        };
        // Norms and biases.
        let vectors = product([self.num_hidden_layers, 3 * hidden + 2 * kv]) + hidden as u64;
        of_layer
            .saturating_mul(self.num_hidden_layers as u64)
            .saturating_add(outer)
            .saturating_add(vectors.saturating_mul(F32))
    }

    /// Weights of the model, its embedding and head included.
    pub fn parameters(&self) -> u64 {
        let (hidden, wide) = (self.hidden_size as u64, self.intermediate_size as u64);
        let kv = self.num_key_value_heads as u64 * self.head_dim() as u64;
        let layer = 2 * hidden * hidden + 2 * kv * hidden + 3 * wide * hidden;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        let layers = layer.saturating_mul(self.num_hidden_layers as u64);
        layers.saturating_add(product([self.vocab_size, self.hidden_size]).saturating_mul(tables))
    }

    /// Bytes of a [`KvCache`](crate::KvCache) for each row and position.
    pub fn kv_bytes(&self) -> u64 {
        let heads = 2 * self.num_key_value_heads as u64 * self.head_dim() as u64;
        heads.saturating_mul(self.num_hidden_layers as u64).saturating_mul(F32)
    }

    /// Bytes that [`Qwen2::forward_embeds`](crate::Qwen2::forward_embeds) works with for `tokens`
    /// tokens of all rows together, at its peak: the embeddings it is given included, weights and
    /// cache not.
    pub fn pass_bytes(&self, tokens: usize) -> u64 {
        // In the feed-forward network: gate, up and their product; beside them the embeddings, twice,
        // the residual before and after attention, and the normed input. What attention worked with
        // (its input, q and k with and without their angles, v, the result, its projection) is
        // free again by then, but the allocator has it: about as much as is not used again is
        // counted, as measured.
        const HELD: u64 = 5;
        const LEFT_BY_ATTENTION: u64 = 3;
        let narrow = (HELD + LEFT_BY_ATTENTION) * self.hidden_size as u64;
        // Cosines and sines.
        let narrow = narrow + self.head_dim() as u64;
        let narrow = narrow.saturating_mul(tokens as u64).saturating_mul(F32);
        narrow.saturating_add(self.feed_forward_bytes(tokens))
    }

    /// Of [`pass_bytes`](Self::pass_bytes), those of the feed-forward network: the largest blocks of
    /// memory that a pass asks for.
    pub fn feed_forward_bytes(&self, tokens: usize) -> u64 {
        let bytes = |values: u64| values.saturating_mul(tokens as u64).saturating_mul(F32);
        let gates = bytes(2 * self.intermediate_size as u64);
        // Many rows go through the network in parts, whose results are held till they are joined.
        let (gates, parts) = match gates.checked_sub(MLP_BYTES as u64) {
            Some(_) => (MLP_BYTES as u64, bytes(self.hidden_size as u64)),
            None => (gates, 0),
        };
        (gates + gates / 2).saturating_add(parts)
    }

    /// Bytes of the logits of `rows` rows.
    pub fn logits_bytes(&self, rows: usize) -> u64 {
        product([self.vocab_size, rows]).saturating_mul(F32)
    }
}

fn product([a, b]: [usize; 2]) -> u64 {
    (a as u64).saturating_mul(b as u64)
}
