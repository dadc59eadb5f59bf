//! llama.cpp's names of a Qwen2's tensors, and the authors'.

/// Parts of a layer: llama.cpp's name and the authors'.
const LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The name in the authors' checkpoints; other tensors keep theirs.
pub(super) fn original(name: &str) -> String {
    let known = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => Some("model.norm.weight".to_owned()),
        "output.weight" => Some("lm_head.weight".to_owned()),
        _ => in_layer(name),
    };
    known.unwrap_or_else(|| name.to_owned())
}

fn in_layer(name: &str) -> Option<String> {
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, what) = rest.rsplit_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (_, part) = LAYER.into_iter().find(|(theirs, _)| *theirs == part)?;
    Some(format!("model.layers.{layer}.{part}.{what}"))
}

#[cfg(test)]
mod tests {
    use super::original;

    #[test]
    fn names_are_the_authors() {
        for (theirs, ours) in [
            ("token_embd.weight", "model.embed_tokens.weight"),
            ("output.weight", "lm_head.weight"),
            ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
            ("blk.35.ffn_down.weight", "model.layers.35.mlp.down_proj.weight"),
            ("blk.1.attn_norm.weight", "model.layers.1.input_layernorm.weight"),
            ("rope_freqs.weight", "rope_freqs.weight"),
            ("blk.x.attn_q.weight", "blk.x.attn_q.weight"),
            ("blk.2.attn_rot.weight", "blk.2.attn_rot.weight"),
        ] {
            assert_eq!(original(theirs), ours);
        }
    }
}
