//! Checkpoints of random weights load, compute, and are the same in every form.

use std::collections::BTreeMap;
use std::path::Path;

use c3_bench::random::{GgufType, RandomCheckpoint, Shape};
use c3_core::{DecodeRequest, Decoder, EncodeRequest, Encoder, SegmentSource};
use c3_decoder::C3Decoder;
use c3_encoder::C3Encoder;
use c3_nn::{Checkpoint, LoadOptions};
use candle_core::Device;
use candle_core::quantized::gguf_file::Content;

fn tiny() -> RandomCheckpoint {
    RandomCheckpoint::new(Shape::Tiny, 5)
}

/// The bytes of every tensor in the files of one stage.
fn tensors(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let weights = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    let mut all = BTreeMap::new();
    for path in weights {
        let bytes = std::fs::read(path).unwrap();
        for (name, view) in safetensors::SafeTensors::deserialize(&bytes).unwrap().tensors() {
            assert!(all.insert(name.clone(), view.data().to_vec()).is_none(), "{name} twice");
        }
    }
    all
}

#[test]
fn a_text_goes_through_it_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tiny");
    tiny().write(&out, &|_| ()).unwrap();
    let checkpoint = Checkpoint::open(&out).unwrap();
    assert_eq!(
        checkpoint.decoder().byte_count() + checkpoint.encoder().unwrap().byte_count(),
        tiny().bytes()
    );
    let options = LoadOptions::default();
    let encoder = C3Encoder::load(&checkpoint, &options).unwrap();
    let decoder = C3Decoder::load(&checkpoint, &options).unwrap();
    let context = encoder.encode("Call me Ishmael.", &EncodeRequest::default()).unwrap();
    assert_eq!(context.segment_count(), 1);
    let latents = context.segments()[0].latents.to_f32();
    assert!(latents.iter().all(|value| value.is_finite()));
    let request = DecodeRequest { max_new_tokens: Some(6), ..DecodeRequest::default() };
    decoder.decode_to_string(&context, &request).unwrap();
}

#[test]
fn shards_hold_what_one_file_would() {
    let folder = tempfile::tempdir().unwrap();
    let (one, many) = (folder.path().join("one"), folder.path().join("many"));
    tiny().write(&one, &|_| ()).unwrap();
    RandomCheckpoint { shard_bytes: 300_000, ..tiny() }.write(&many, &|_| ()).unwrap();
    for stage in ["", "llm1"] {
        let (one, many) = (one.join(stage), many.join(stage));
        assert!(one.join("model.safetensors").exists());
        assert!(!many.join("model.safetensors").exists());
        assert_eq!(tensors(&one), tensors(&many));
    }
    for entry in std::fs::read_dir(&many).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        // The embedding and the head alone are larger; headers come on top.
        if name.ends_with(".safetensors") && entry.metadata().unwrap().len() > 310_000 {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert_eq!(safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), 1, "{name}");
        }
    }
    Checkpoint::open(&many).unwrap();
}

#[test]
fn the_seed_decides_the_weights_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    tiny().write(&a, &|_| ()).unwrap();
    tiny().write(&b, &|_| ()).unwrap();
    RandomCheckpoint { seed: 6, ..tiny() }.write(&c, &|_| ()).unwrap();
    assert_eq!(tensors(&a), tensors(&b));
    for (name, bytes) in tensors(&a) {
        assert_ne!(bytes, tensors(&c)[&name], "{name}");
    }
    let message = tiny().write(&a, &|_| ()).unwrap_err().to_string();
    assert!(message.ends_with("exists already"), "{message}");
    // No temporary folder stays behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_gguf_file_holds_the_decoders_weights() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tiny");
    tiny().write(&out, &|_| ()).unwrap();
    let checkpoint = Checkpoint::open(&out).unwrap();
    // Half a step of the coarsest block: of 256 values with σ = 0.02 the largest is below 0.1.
    for (kind, tolerance) in
        [(GgufType::Bf16, 0.0), (GgufType::Q8_0, 0.1 / 127.0 / 2.0 * 1.01), (GgufType::Q4K, 0.02)]
    {
        let path = folder.path().join(format!("{kind:?}.gguf"));
        tiny().write_gguf(&path, kind, &|_| ()).unwrap();
        let mut file = std::fs::File::open(&path).unwrap();
        let content = Content::read(&mut file).unwrap();
        // Per layer seven matrices, three biases and two norms; embedding, norm and head.
        assert_eq!(content.tensor_infos.len(), 2 * 12 + 3);
        for (theirs, ours, shape) in [
            ("token_embd.weight", "model.embed_tokens.weight", vec![8192, 256]),
            ("output.weight", "lm_head.weight", vec![8192, 256]),
            ("blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight", vec![128, 256]),
            ("blk.1.attn_q.bias", "model.layers.1.self_attn.q_proj.bias", vec![256]),
            ("blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", vec![256, 704]),
            ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", vec![256]),
        ] {
            let found = content.tensor(&mut file, theirs, &Device::Cpu).unwrap();
            assert_eq!(found.shape().dims(), shape, "{theirs}");
            let found = found.dequantize(&Device::Cpu).unwrap();
            let options = LoadOptions::default();
            let expected = checkpoint.decoder().tensor(ours, &shape, &options).unwrap();
            let worst = (found - expected).unwrap().abs().unwrap().flatten_all().unwrap();
            let worst = worst.max(0).unwrap().to_scalar::<f32>().unwrap();
            assert!(worst <= tolerance, "{kind:?} {theirs}: {worst}");
        }
    }
}
