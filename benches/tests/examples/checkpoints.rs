//! Checkpoints of random weights, and a worker that they are given to.

use c3_bench::random::{RandomCheckpoint, Shape};
use c3_nn::Checkpoint;
use serde_json::Value;

use crate::{example, number};

#[test]
fn random_weights_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("tiny");
    let out = out.to_str().unwrap();
    let args = ["--shape", "tiny", "--layers", "1", "--seed", "3", out];
    let said = example("random_checkpoint", &args, "").text();
    let (bytes, took) = said
        .strip_prefix(out)
        .and_then(|said| said.strip_prefix(": "))
        .and_then(|said| said.split_once(" bytes of bf16 weights in "))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(number(took.trim_end()) < 60.0, "{said}");
    let checkpoint = Checkpoint::open(out.as_ref()).unwrap();
    let written = checkpoint.decoder().byte_count() + checkpoint.encoder().unwrap().byte_count();
    assert_eq!(number(bytes), written as f64);
    assert_eq!(checkpoint.config().decoder.num_hidden_layers, 1);
    let again = example("random_checkpoint", &args, "").failure();
    assert!(again.contains("exists already"), "{again}");

    let file = folder.path().join("tiny.gguf");
    let args = ["--gguf", "q8_0", file.to_str().unwrap()];
    example("random_checkpoint", &args, "").text();
    assert!(std::fs::read(&file).unwrap().starts_with(b"GGUF"));
}

#[test]
fn work_is_answered_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny");
    RandomCheckpoint::new(Shape::Tiny, 1).write(&model, &|_| ()).unwrap();
    let asked = "{\"work\": \"encode\", \"tokens\": 40}\n\
                 nonsense\n\
                 {\"work\": \"decode\", \"batch\": 2, \"prompt\": 7, \"tokens\": 3}\n";
    let args = ["--model", model.to_str().unwrap(), "--threads", "1"];
    let said = example("speed", &args, asked).text();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [machine, encoded, refused, decoded] = &lines[..] else { panic!("{said}") };
    assert_eq!(machine["threads"], 1);
    assert!(machine["products"].is_string() && machine["version"].is_string(), "{said}");
    assert_eq!((&encoded["tokens"], &decoded["tokens"]), (&40.into(), &6.into()));
    assert!([encoded, decoded].iter().all(|line| line["seconds"].as_f64().unwrap() > 0.0));
    assert!(refused["error"].as_str().unwrap().contains("can't understand nonsense"), "{said}");
}
