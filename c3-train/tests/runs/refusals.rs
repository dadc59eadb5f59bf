//! What a run doesn't begin with.

use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};

use c3_train::{Config, Continuation, Data, From, Trainer};

use crate::support::{config, losses, root};

#[test]
fn what_can_not_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |config: &Config, name: &str| {
        let opened = Trainer::open(config, &folder.path().join(name), &|_| Continue(()));
        opened.err().map_or_else(String::new, |error| error.to_string())
    };
    let good = config(2);
    let mut empty = good.clone();
    empty.data.valid = vec![folder.path().join("empty.txt")];
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    let found = refusal(&empty, "a");
    assert!(found.contains("data.valid has 0 tokens of text, expected at least 16"), "{found}");
    empty.data = Data { train: empty.data.valid, ..good.data.clone() };
    let found = refusal(&empty, "no text");
    assert!(found.contains("data.train has 0 tokens of text, expected at least 16"), "{found}");
    let mut missing = good.clone();
    missing.data.train = vec![folder.path().join("nothing.txt")];
    let found = refusal(&missing, "b");
    assert!(found.contains("nothing.txt: reading failed"), "{found}");
    missing.data.train = vec![folder.path().join("no*.txt")];
    let found = refusal(&missing, "fitting nothing");
    assert!(found.contains("no file is like") && found.contains("no*.txt"), "{found}");
    missing.data.train = vec![root().join("fixtures/moby*.t?t")];
    assert_eq!(refusal(&missing, "pattern"), "");
    let mut unasked = good.clone();
    unasked.data.continuation = Some(Continuation { share: 0.1, question: String::new() });
    let found = refusal(&unasked, "f");
    assert!(found.contains("data.continuation.question: expected a question"), "{found}");
    let mut long = good.clone();
    long.stages[0].lengths = vec![33];
    let found = refusal(&long, "c");
    assert!(found.contains("stages.lengths: expected at most 32"), "{found}");
    let mut bank = good.clone();
    bank.stages[0].ratios = vec![5];
    let found = refusal(&bank, "d");
    assert!(found.contains('5') && found.contains("4, 8"), "{found}");
    let mut tokenizer = good.clone();
    if let From::Scratch(shape) = &mut tokenizer.from {
        let path = folder.path().join("tokenizer.json");
        let json = std::fs::read_to_string(&shape.tokenizer).unwrap();
        std::fs::write(&path, json.replace("<imgpad>", "<nopad>")).unwrap();
        shape.tokenizer = path;
    }
    let found = refusal(&tokenizer, "e");
    assert!(found.contains("<imgpad>"), "{found}");

    let same = folder.path().join("same");
    losses(&mut Trainer::open(&good, &same, &|_| Continue(())).unwrap(), 1);
    let mut other = good.clone();
    other.seed = 4;
    let found = refusal(&other, "same");
    assert!(found.contains("begun with another configuration (seed differs)"), "{found}");
    let edited = folder.path().join("edited.txt");
    let text = std::fs::read_to_string(&good.data.valid[0]).unwrap();
    std::fs::write(&edited, &text).unwrap();
    let mut changing = good.clone();
    changing.data.valid = vec![edited.clone()];
    assert_eq!(refusal(&changing, "changing"), "");
    std::fs::write(&edited, text + " And more.").unwrap();
    let found = refusal(&changing, "changing");
    assert!(found.contains("(the text of data differs)"), "{found}");
    let mut often = good.clone();
    often.run.checkpoint_seconds = 1;
    assert_eq!(refusal(&often, "same"), "");
}

/// A run that was refused hasn't begun: its folder is free for what was meant.
#[test]
fn what_was_refused_can_be_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let right = config(1);
    let mut wrong = right.clone();
    wrong.stages[0].lengths = vec![33];
    if let From::Scratch(shape) = &mut wrong.from {
        shape.hidden = 64;
    }
    wrong.data.valid = vec![root().join("models/c3-tiny/README.md")];
    for _ in 0..2 {
        let said =
            Trainer::open(&wrong, folder.path(), &|_| Continue(())).err().unwrap().to_string();
        assert!(said.contains("stages.lengths"), "{said}");
    }
    losses(&mut Trainer::open(&right, folder.path(), &|_| Continue(())).unwrap(), usize::MAX);
    let model = c3_nn::Checkpoint::open(&folder.path().join("model")).unwrap();
    assert_eq!(model.config().encoder.hidden_size, 32);
    assert_eq!(Trainer::open(&right, folder.path(), &|_| Continue(())).unwrap().step(), 1);
}

#[test]
fn the_configurations_here_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let config = Config::read(&path).unwrap();
        assert!(config.steps() > 0 && config.longest() <= 256, "{}", path.display());
        assert!(config.data.train.iter().all(|path| path.ends_with("target/corpus/train.txt")));
        found.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    // What makes the whole model runs all of them.
    let script = std::fs::read_to_string(folder.join("builtin.sh")).unwrap();
    let runs = script.lines().find_map(|line| line.strip_prefix("for run in ")).unwrap();
    let mut named: Vec<String> =
        runs.trim_end_matches("; do").split(' ').map(|run| format!("{run}.toml")).collect();
    named.sort();
    found.sort();
    assert_eq!(named, found);
}

#[test]
fn what_a_configuration_does_not_say_is_as_the_builtin_model_began() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let quick = Config::read(&folder.join("builtin-quick.toml")).unwrap();
    let From::Scratch(shape) = &quick.from else { panic!("it begins with a checkpoint") };
    let least = format!(
        "seed = {}\n[from.scratch]\ntokenizer = {:?}\n[data]\ntrain = {:?}\nvalid = {:?}\n\
         [run]\ncache = {:?}",
        quick.seed,
        shape.tokenizer,
        quick.data.train,
        quick.data.valid,
        quick.run.cache.as_ref().unwrap()
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("least.toml");
    std::fs::write(&path, least).unwrap();
    assert_eq!(Config::read(&path).unwrap(), quick);
}

#[test]
fn a_configuration_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.toml");
    let written = r#"
        [from]
        checkpoint = "model"
        [data]
        train = ["a.txt"]
        valid = ["/b"]
        [[stages]]
        steps = 1
        lengths = [8]
        ratios = [4]
        tokens = 64
    "#;
    std::fs::write(&path, written).unwrap();
    let read = Config::read(&path).unwrap();
    assert_eq!(read.from, From::Checkpoint(folder.path().join("model")));
    assert_eq!(read.data.train, [folder.path().join("a.txt")]);
    assert_eq!(read.data.valid, [PathBuf::from("/b")]);
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let below = folder.path().join("sub/train.toml");
    std::fs::write(&below, written.replace("\"a.txt\"", "\"../a.txt\", \"./x/*.txt\"")).unwrap();
    let places = ["a.txt", "sub/x/*.txt"].map(|place| folder.path().join(place));
    assert_eq!(Config::read(&below).unwrap().data.train, places);
    for (from, to, what) in [
        ("steps = 1", "steps = 0", "expected at least one step"),
        ("lengths = [8]", "lengths = []", "stages.lengths: expected lengths of at least 1"),
        ("tokens = 64", "tokens = 64\nspeed = 3", "unknown field `speed`"),
        ("[data]", "[data]\nshuffled = 1.5", "data.shuffled: expected a number from 0 to 1"),
        (
            "[data]",
            "[run]\nevaluate_segments = 0\n[data]",
            "run.evaluate_segments: expected at least 1",
        ),
        (
            "[data]",
            "[optimizer]\naverage = 1\n[data]",
            "average: expected a number from 0 to below 1",
        ),
        ("[data]", "[optimizer]\nmomentum = 1.0\n[data]", "optimizer.momentum: expected a number"),
        ("[data]", "[optimizer]\nbetas = [1.0, 0.9]\n[data]", "optimizer.betas: expected a number"),
        ("[data]", "[optimizer]\nbetas = [0.9, -0.1]\n[data]", "below 1, found -0.1"),
        ("ratios = [4]", "ratios = 4", "line 10"),
    ] {
        std::fs::write(&path, written.replace(from, to)).unwrap();
        let found = Config::read(&path).unwrap_err().to_string();
        assert!(found.contains(what), "{found}");
    }
}
