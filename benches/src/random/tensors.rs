//! Which tensors a checkpoint holds, and the random values of each.

use std::borrow::Cow;

use safetensors::{Dtype, View};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::noise;
use super::shape::Stage;

/// One tensor of a checkpoint, as yet without its values.
#[derive(Clone, Debug)]
pub(super) struct RandomTensor {
    pub name: String,
    pub shape: Vec<usize>,
    key: u64,
    mean: f32,
}

impl RandomTensor {
    /// `model` keeps tensors apart that have one name in both stages.
    fn new(seed: u64, model: &str, name: String, shape: &[usize]) -> Self {
        let key = xxh3_64_with_seed(format!("{model}/{name}").as_bytes(), seed);
        // Norms scale by about one; all else is about zero.
        let mean = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        Self { name, shape: shape.to_vec(), key, mean }
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn bytes(&self) -> u64 {
        2 * self.elements() as u64
    }

    /// The values as little-endian bf16.
    pub fn bf16(&self) -> Vec<u8> {
        noise::bf16(self.key, self.elements(), self.mean)
    }
}

/// A tensor that is made when its file is written, and let go after that.
pub(super) struct Lazy<'a> {
    pub tensor: &'a RandomTensor,
    /// Told the tensor's bytes once they are made.
    pub progress: &'a dyn Fn(u64),
}

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = self.tensor.bf16();
        (self.progress)(self.tensor.bytes());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        2 * self.tensor.elements()
    }
}

/// The tensors of a Qwen2 language model, in the order of the computation.
pub(super) fn backbone(seed: u64, model: &str, stage: &Stage) -> Vec<RandomTensor> {
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: &[usize]| {
        tensors.push(RandomTensor::new(seed, model, name, shape));
    };
    let (hidden, kv) = (stage.hidden, stage.kv_heads * stage.head_dim());
    add("model.embed_tokens.weight".into(), &[stage.vocab, hidden]);
    for i in 0..stage.layers {
        let mut add = |name: &str, shape: &[usize]| add(format!("model.layers.{i}.{name}"), shape);
        add("input_layernorm.weight", &[hidden]);
        for (name, out) in [("q", hidden), ("k", kv), ("v", kv)] {
            add(&format!("self_attn.{name}_proj.weight"), &[out, hidden]);
            add(&format!("self_attn.{name}_proj.bias"), &[out]);
        }
        add("self_attn.o_proj.weight", &[hidden, hidden]);
        add("post_attention_layernorm.weight", &[hidden]);
        add("mlp.gate_proj.weight", &[stage.ffn, hidden]);
        add("mlp.up_proj.weight", &[stage.ffn, hidden]);
        add("mlp.down_proj.weight", &[hidden, stage.ffn]);
    }
    add("model.norm.weight".into(), &[hidden]);
    if !stage.tied {
        add("lm_head.weight".into(), &[stage.vocab, hidden]);
    }
    tensors
}

/// What a C3 decoder's file holds beside its language model.
pub(super) fn bridge(seed: u64, latents: usize, from: &Stage, to: &Stage) -> Vec<RandomTensor> {
    let tensor = |name: &str, shape: &[usize]| RandomTensor::new(seed, "c3", name.into(), shape);
    vec![
        tensor("model.Q.weight", &[latents, from.hidden]),
        tensor("model.mm_projector.weight", &[to.hidden, from.hidden]),
        tensor("model.mm_projector.bias", &[to.hidden]),
    ]
}
