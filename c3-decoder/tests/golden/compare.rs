//! Runs a checkpoint through both stages and compares every tensor with the golden one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use c3_core::{
    Compression, DecodeEvent, DecodeRequest, Decoder, Dtype, Encoder, Fidelity, LatentContext,
    LatentTokens, Segment, SourceHasher,
};
use c3_decoder::C3Decoder;
use c3_encoder::{Bank, C3Encoder};
use c3_nn::{Checkpoint, LoadOptions};
use candle_core::{Device, Tensor};

/// Relative to the largest absolute value of the golden tensor.
const TOLERANCE: f32 = 1e-4;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// The first difference from the goldens in `folder`, if any.
pub fn compare(folder: &Path) -> Result<(), String> {
    compare_with(folder, folder)
}

/// As `compare`, with the checkpoint in one folder and the goldens in another.
pub fn compare_with(checkpoint: &Path, golden: &Path) -> Result<(), String> {
    compare_as(checkpoint, golden, &LoadOptions::default(), TOLERANCE)
}

/// As `compare_with`, with the weights kept as `options` say, to a tolerance of one's own.
pub fn compare_as(
    checkpoint: &Path,
    golden: &Path,
    options: &LoadOptions,
    tolerance: f32,
) -> Result<(), String> {
    let text = |e: &dyn std::error::Error| e.to_string();
    let cases = std::fs::read_to_string(golden.join("golden.json")).map_err(|e| text(&e))?;
    let cases: serde_json::Value = serde_json::from_str(&cases).map_err(|e| text(&e))?;
    let tensors = candle_core::safetensors::load(golden.join("golden.safetensors"), &Device::Cpu)
        .map_err(|e| text(&e))?;
    let checkpoint = Checkpoint::open(checkpoint).map_err(|e| text(&e))?;
    let encoder = C3Encoder::load(&checkpoint, options).map_err(|e| text(&e))?;
    let decoder = C3Decoder::load(&checkpoint, options).map_err(|e| text(&e))?;
    let cases_list = cases["cases"].as_array().ok_or("no cases")?;
    assert!(!cases_list.is_empty());
    for (number, case) in cases_list.iter().enumerate() {
        let golden = |name: &str| tensors[&format!("{number}.{name}")].clone();
        let context = case["context"].as_str().ok_or("no context")?;
        let question = case["prompt"].as_str().ok_or("no prompt")?;
        let at = |what: &str| format!("case {number}, {what}");

        let ids = checkpoint.tokenizer().encode(context).map_err(|e| text(&e))?;
        let fed = ids_of(&golden("context_ids"));
        if ids != fed[..ids.len().min(fed.len())] || ids.len() as u64 != case["context_tokens"] {
            return Err(format!("{}: {ids:?} is not the start of {fed:?}", at("context ids")));
        }
        let bank = Bank::choose(encoder.config(), Compression::Default).map_err(|e| text(&e))?;
        let latents = encoder.latents(&[&ids], &bank).map_err(|e| text(&e))?.swap_remove(0);
        close(&at("latents"), &latents, &golden("latents"), tolerance)?;

        let projected = decoder.project(&latents).map_err(|e| text(&e))?;
        close(&at("projected latents"), &projected, &golden("projected"), tolerance)?;

        let (prompt, logits) =
            decoder.prompt_logits(&latents, ids.len(), Some(question)).map_err(|e| text(&e))?;
        let expected = ids_of(&golden("decoder_ids"));
        if prompt != expected {
            return Err(format!("{}: {prompt:?} for {expected:?}", at("decoder ids")));
        }
        close(&at("logits"), &logits, &golden("logits"), tolerance)?;

        let generated = generate(&encoder, &decoder, context, &latents, &cases, question)?;
        let expected = ids_of(&golden("generated"));
        if generated != expected {
            return Err(format!("{}: {generated:?} for {expected:?}", at("generated ids")));
        }
    }
    Ok(())
}

fn generate(
    encoder: &C3Encoder,
    decoder: &C3Decoder,
    text: &str,
    latents: &Tensor,
    settings: &serde_json::Value,
    question: &str,
) -> Result<Vec<u32>, String> {
    let (rows, dim) = latents.dims2().map_err(|e| e.to_string())?;
    let values =
        latents.flatten_all().and_then(|l| l.to_vec1::<f32>()).map_err(|e| e.to_string())?;
    let request = c3_core::EncodeRequest { dtype: Dtype::F32, ..Default::default() };
    let mut source = SourceHasher::new();
    source.update(text.as_bytes());
    let segment = Segment {
        latents: LatentTokens::from_f32(rows, dim, Dtype::F32, &values).unwrap(),
        bytes: 0..text.len() as u64,
        text_tokens: 1,
        hash: 0,
        fidelity: Fidelity::Unchecked,
        text: None,
    };
    let provenance = encoder.provenance(&request).map_err(|e| e.to_string())?;
    let context = LatentContext::new(provenance, source.finish(), vec![segment]).unwrap();
    let setting = |name: &str| settings[name].as_u64().map(|n| n as usize);
    let request = DecodeRequest {
        question: Some(question.to_owned()),
        max_new_tokens: setting("max_new_tokens"),
        no_repeat_ngram: setting("no_repeat_ngram_size"),
        ..Default::default()
    };
    let mut tokens: Vec<u32> = Vec::new();
    decoder
        .decode(&context, &request, &mut |event| {
            if let DecodeEvent::Segment(segment) = event {
                tokens.extend(&segment.tokens);
            }
            ControlFlow::Continue(())
        })
        .map_err(|e| e.to_string())?;
    Ok(tokens)
}

fn ids_of(tensor: &Tensor) -> Vec<u32> {
    tensor.to_vec1::<i64>().unwrap().into_iter().map(|id| id as u32).collect()
}

fn close(what: &str, ours: &Tensor, golden: &Tensor, tolerance: f32) -> Result<(), String> {
    if ours.dims() != golden.dims() {
        return Err(format!("{what}: shape {:?}, golden {:?}", ours.dims(), golden.dims()));
    }
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (ours, golden) = (flat(ours), flat(golden));
    let largest = golden.iter().fold(0f32, |m, x| m.max(x.abs()));
    let error = ours.iter().zip(&golden).fold(0f32, |m, (a, b)| {
        // A NaN must not pass as a small difference.
        if (a - b).is_nan() { f32::INFINITY } else { m.max((a - b).abs()) }
    });
    if error > tolerance * largest {
        return Err(format!("{what}: off by {error}, largest value {largest}"));
    }
    println!("{what}: {:.1e} relative to the largest value", error / largest);
    Ok(())
}
