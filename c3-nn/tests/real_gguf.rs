//! A real model's GGUF file against llama.cpp: Qwen2.5-Coder-0.5B-Instruct in `Q4_K_M`, which mixes
//! `q4_k`, `q5_0`, `q6_k` and `q8_0`.
//!
//! The file, half a gigabyte, isn't in the repository: `C3_QWEN_GGUF` names it. Where it is absent,
//! or another file, the test says so and passes. `fixtures/make_gguf_golden.py` made what it compares
//! with.

use std::path::PathBuf;

use c3_nn::{LoadOptions, Qwen2, WeightDtype};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// How far the prompt's 20 highest logits may lie from llama.cpp's, in terms of how far its own
/// move when it takes the prompt one token at a time. Values are rounded to 8 bits some hundred
/// times in a row, and a difference in the last bit of an f32 sum can tip any of them.
const TOLERANCE: f32 = 2.0;

#[derive(Deserialize)]
struct Golden {
    sha256: String,
    prompt: Vec<u32>,
    top: Vec<u32>,
    top_logits: Vec<f32>,
    self_difference: f32,
    answer: Vec<u32>,
    margins: Vec<f32>,
}

/// The file, if it is there.
fn file(golden: &Golden) -> Option<PathBuf> {
    let Some(path) = std::env::var_os("C3_QWEN_GGUF").map(PathBuf::from) else {
        println!("skipped: C3_QWEN_GGUF names no file");
        return None;
    };
    match std::fs::read(&path) {
        Err(error) => println!("skipped: {}: {error}", path.display()),
        Ok(bytes) => {
            let digest = Sha256::digest(&bytes);
            let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if found == golden.sha256 {
                return Some(path);
            }
            println!("skipped: {} has sha256 {found}, expected {}", path.display(), golden.sha256);
        }
    }
    None
}

struct Largest {
    id: u32,
    margin: f32,
}

fn largest(logits: &[f32]) -> Largest {
    let best = |without: Option<usize>| {
        let mut ids = (0..logits.len()).filter(|&i| Some(i) != without);
        let first = ids.next().unwrap();
        ids.fold(first, |best, i| if logits[i] > logits[best] { i } else { best })
    };
    let id = best(None);
    Largest { id: id as u32, margin: logits[id] - logits[best(Some(id))] }
}

#[test]
fn answers_as_llama_cpp_does() {
    let golden: Golden = serde_json::from_str(include_str!("fixtures/gguf_golden.json")).unwrap();
    let Some(path) = file(&golden) else { return };
    let options = LoadOptions { dtype: WeightDtype::Stored, ..LoadOptions::default() };
    let model = Qwen2::from_gguf(&path, &options).unwrap();
    let mut cache = model.kv_cache(1, golden.prompt.len() + golden.answer.len()).unwrap();
    let mut step = |ids: &[u32], start: u32| -> Vec<f32> {
        let x = model.embed(ids).unwrap().unsqueeze(0).unwrap();
        let positions: Vec<u32> = (start..start + ids.len() as u32).collect();
        let hidden = model.forward_embeds(&x, &positions, &[], Some(&mut cache), 1).unwrap();
        model.logits(&hidden).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };

    let mut logits = step(&golden.prompt, 0);
    let mut largest_error = 0f32;
    for (&id, &right) in golden.top.iter().zip(&golden.top_logits) {
        largest_error = largest_error.max((logits[id as usize] - right).abs());
    }
    let theirs = golden.self_difference;
    println!(
        "top logits differ by {largest_error} at most, llama.cpp's among themselves by {theirs}"
    );
    assert!(largest_error <= TOLERANCE * theirs, "{largest_error} and {theirs}");

    for (i, (&right, &margin)) in golden.answer.iter().zip(&golden.margins).enumerate() {
        let found = largest(&logits);
        let ours = found.margin;
        assert_eq!(found.id, right, "token {i}: leads by {ours} here, by {margin} there");
        logits = step(&[found.id], (golden.prompt.len() + i) as u32);
    }
}
