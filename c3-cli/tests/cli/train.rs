use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::Duration;

use crate::support::{Dir, Run, TEXT};

fn config(dir: &Dir, more: &str) {
    dir.write("text.txt", TEXT.repeat(3));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny");
    let config = format!(
        "[from]\ncheckpoint = {model:?}\n\
         [data]\ntrain = [\"text.txt\"]\nvalid = [\"text.txt\"]\n\
         [[stages]]\nsteps = 3\nlengths = [32]\nratios = [4]\ntokens = 64\n\
         [run]\nevaluate_steps = 3\nevaluate_segments = 2\n{more}"
    );
    dir.write("train.toml", config);
}

#[test]
fn a_run_ends_with_a_model_that_compresses() {
    let dir = Dir::new();
    config(&dir, "");
    let run = dir.run(&["train", "train.toml", "--out", "run", "--json"]).expect(0);
    let text = run.text();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["begun", "step", "step", "step", "evaluated", "saved"]);
    // The built-in model is trained already: it knows such text, and goes on from there.
    assert!(events[1]["loss"].as_f64().unwrap() < 1.0, "{text}");
    assert!(events[4]["ratios"][0]["similarity"].as_f64().unwrap() > 0.5, "{text}");
    assert_eq!(std::fs::read_to_string(dir.path("run/log.jsonl")).unwrap(), text);
    let returned = dir.run(&["roundtrip", "text.txt", "--model", "run/model", "--json"]);
    assert!(returned.expect(0).json()["char_similarity"].as_f64().unwrap() > 0.5);

    let again = dir.run(&["train", "train.toml", "--out", "run"]).expect(0);
    assert!(again.stderr.contains("0 of 3 steps to do"), "{}", again.stderr);
}

/// The files of the model that a run ends with.
fn model(dir: &Dir, run: &str) -> Vec<Vec<u8>> {
    let files = ["model.safetensors", "llm1/model.safetensors", "config.json"];
    files.map(|file| std::fs::read(dir.path(format!("{run}/model/{file}"))).unwrap()).to_vec()
}

#[test]
fn a_run_that_is_killed_ends_as_if_it_had_not_been() {
    let dir = Dir::new();
    config(&dir, "checkpoint_seconds = 0\n");
    let text = std::fs::read_to_string(dir.path("train.toml")).unwrap();
    let (_, text) = text.split_once("[data]").unwrap();
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny/tokenizer.json");
    let small = format!(
        "[from.scratch]\ntokenizer = {tokenizer:?}\nlayers = 1\nhidden = 128\nheads = 2\n\
         feed_forward = 256\nsegment_tokens = 32\nbanks = {{ 4 = 8 }}\ndefault_ratio = 4\n\
         query_positions = \"aligned\"\n[data]{}",
        text.replace("steps = 3\n", "steps = 60\n")
    );
    dir.write("train.toml", small);
    let args = |run: &'static str| ["train", "train.toml", "--out", run, "--threads", "1"];
    dir.run(&args("whole")).expect(0);

    for turn in 0..3 {
        // A moment that has nothing to do with what it is doing.
        let moment = 200 + RandomState::new().hash_one(turn) % 1500;
        let mut running = dir.spawn(&mut dir.command(args("parts")));
        std::thread::sleep(Duration::from_millis(moment));
        running.kill().unwrap();
        running.wait().unwrap();
    }
    dir.run(&args("parts")).expect(0);
    assert_eq!(model(&dir, "parts"), model(&dir, "whole"));
}

/// A file that grows too large stands for a disk that is full.
#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_the_last_checkpoint_stays() {
    let dir = Dir::new();
    config(&dir, "checkpoint_seconds = 0\n");
    dir.run(&["train", "train.toml", "--out", "whole", "--threads", "1"]).expect(0);

    let limited = "trap '' XFSZ; ulimit -f 8000; exec \"$0\" \"$@\"";
    let c3 = dir.command(["train"]).get_program().to_owned();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", limited]).arg(c3);
    command.args(["train", "train.toml", "--out", "run", "--threads", "1"]);
    let run = Run::of(command.current_dir(dir.path(""))).expect(2);
    let said = &run.stderr;
    assert!(said.contains("model.safetensors") && said.contains("too large"), "{said}");
    assert!(!dir.path("run/model").exists());
    dir.run(&["train", "train.toml", "--out", "run", "--threads", "1"]).expect(0);
    assert_eq!(model(&dir, "run"), model(&dir, "whole"));
}

#[test]
fn a_vocabulary_is_learnt() {
    let dir = Dir::new();
    dir.write("text.txt", TEXT);
    let args = ["train", "tokenizer", "text.txt", "--vocabulary", "300", "--out", "t.json"];
    assert!(dir.run(&args).expect(0).stderr.contains("300 tokens in t.json"));
    assert!(std::fs::read_to_string(dir.path("t.json")).unwrap().contains("<imgpad>"));
    let small = dir.run(&["train", "tokenizer", "text.txt", "--vocabulary", "3"]).expect(2);
    assert!(small.stderr.contains("vocabulary: expected at least 262, found 3"));
    assert!(dir.run(&["train"]).expect(2).stderr.contains("CONFIG.toml"));
}

#[test]
fn what_is_wrong_with_a_run_is_said() {
    let dir = Dir::new();
    let said = |what: &str| {
        let run = dir.run(&["train", "train.toml", "--out", "run"]).expect(2);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(what), "{}", run.stderr);
    };
    said("train.toml: reading failed");
    config(&dir, "speed = 3\n");
    said("unknown field `speed`");
    config(&dir, "");
    std::fs::remove_file(dir.path("text.txt")).unwrap();
    said("text.txt: reading failed");
}
