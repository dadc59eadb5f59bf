//! What a run begins with, and where its text comes from.

use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

use c3_nn::Checkpoint;
use c3_train::{Config, Error, From, Trainer};

use crate::support::{config, losses, root};

/// A checkpoint as the authors publish theirs: one bank, queries behind the text, a chat prompt.
fn authors() -> Config {
    let mut config = config(30);
    config.from = From::Checkpoint(root().join("fixtures/c3-ref-f32"));
    config.stages[0].lengths = vec![16, 32];
    config.stages[0].ratios = vec![4];
    config.optimizer.adam_rate = 3e-4;
    config
}

#[test]
fn the_authors_layout_is_trained_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = authors();
    let run = folder.path().join("run");
    let (losses_of_it, _) =
        losses(&mut Trainer::open(&config, &run, &|_| Continue(())).unwrap(), usize::MAX);
    let (first, last) = (losses_of_it[0], losses_of_it[29]);
    assert!(last < 0.9 * first, "{losses_of_it:?}");
    let was = Checkpoint::open(&root().join("fixtures/c3-ref-f32")).unwrap();
    let is = Checkpoint::open(&run.join("model")).unwrap();
    assert_eq!(is.config().latent_tokens, was.config().latent_tokens);
    assert_eq!(is.config().prompt, was.config().prompt);
    assert!(is.config().query_banks.is_empty());
    // What comes next begins where this ended.
    let mut next = config;
    next.from = From::Checkpoint(run.join("model"));
    let mut next = Trainer::open(&next, &folder.path().join("next"), &|_| Continue(())).unwrap();
    let (begun, _) = losses(&mut next, 1);
    assert!(begun[0] < 0.95 * first, "{begun:?} {first}");
}

/// A run that reads `train`.
fn reading(train: Vec<PathBuf>, folder: &Path) -> Result<Trainer, Error> {
    let mut config = config(1);
    config.data.train = train;
    Trainer::open(&config, folder, &|_| Continue(()))
}

#[test]
fn texts_come_from_files_folders_and_lines_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("texts")).unwrap();
    let (one, two) = ("Call me Ishmael.\n".repeat(9), "Some years ago, never mind how long.");
    std::fs::write(path("texts/a.txt"), &one).unwrap();
    let line = serde_json::json!({ "text": two, "title": "Loomings" }).to_string();
    std::fs::write(path("texts/b.jsonl"), format!("{line}\n\n{line}\n")).unwrap();
    std::fs::write(path("texts/c.md"), "not a text").unwrap();
    std::fs::write(path("plain.txt"), format!("{two}\n{two}\n")).unwrap();
    let all = reading(vec![path("texts")], &path("1")).unwrap();
    let each = reading(vec![path("texts/a.txt"), path("plain.txt")], &path("2")).unwrap();
    assert!(all.tokens() > 50);
    assert_eq!(all.tokens(), each.tokens());
    std::fs::write(path("texts/b.jsonl"), "{\"title\": 3}\n").unwrap();
    let said = reading(vec![path("texts")], &path("3")).err().unwrap().to_string();
    assert!(said.contains("b.jsonl: a line is no JSON object with a text"), "{said}");
}

#[test]
fn tokenising_can_be_stopped_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = Trainer::open(&config(1), folder.path(), &|_| Break(()));
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(std::fs::read_dir(folder.path().join("tokens")).unwrap().count(), 0);
    Trainer::open(&config(1), folder.path(), &|_| Continue(())).unwrap();
}
