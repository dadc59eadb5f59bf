//! What an evaluation measures, and that measuring changes nothing.

use c3_train::{Config, Dtype, Evaluation, Event, Finished, From, Trainer};
use std::ops::ControlFlow::Continue;

use crate::support::config;

/// Losses of the steps, and the last evaluation: long and short segments.
fn run(trainer: &mut Trainer) -> (Vec<f64>, Vec<Evaluation>, Vec<Evaluation>) {
    let (mut losses, mut last) = (Vec::new(), (Vec::new(), Vec::new()));
    let finished = trainer.run(&mut |event| {
        match event {
            Event::Step { loss, .. } => losses.push(*loss),
            Event::Evaluated { ratios, short, .. } => last = (ratios.clone(), short.clone()),
            _ => {}
        }
        true
    });
    assert_eq!(finished.unwrap(), Finished::Done);
    (losses, last.0, last.1)
}

/// Segments long enough that short ones are something else.
fn long(steps: u64) -> Config {
    let mut config = config(steps);
    if let From::Scratch(shape) = &mut config.from {
        shape.segment_tokens = 48;
        shape.banks = [(4, 12), (8, 6)].into();
    }
    config.stages[0].lengths = vec![16, 48];
    config.optimizer.average = 0.9;
    config.run.weights = Dtype::F32;
    config
}

#[test]
fn what_is_evaluated_is_what_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let config = long(12);
    let mut trainer =
        Trainer::open(&config, &folder.path().join("run"), &|_| Continue(())).unwrap();
    let (_, ratios, short) = run(&mut trainer);
    assert_eq!(
        ratios.iter().map(|of| (of.ratio, of.length)).collect::<Vec<_>>(),
        [(4, 48), (8, 48)]
    );
    assert_eq!(
        short.iter().map(|of| (of.ratio, of.length)).collect::<Vec<_>>(),
        [(4, 37), (8, 37)]
    );
    assert!(short.iter().zip(&ratios).all(|(short, long)| short.loss != long.loss));

    let mut exported = config.clone();
    exported.from = From::Checkpoint(folder.path().join("run/model"));
    exported.optimizer.average = 0.0;
    let trainer =
        Trainer::open(&exported, &folder.path().join("exported"), &|_| Continue(())).unwrap();
    let Event::Evaluated { ratios: found, .. } = trainer.evaluate().unwrap() else { panic!() };
    assert_eq!(found, ratios);

    // The weights that training goes on with are others.
    let mut trained = exported.clone();
    trained.from = From::Checkpoint(folder.path().join("run/step-000000012"));
    let trainer =
        Trainer::open(&trained, &folder.path().join("trained"), &|_| Continue(())).unwrap();
    let Event::Evaluated { ratios: other, .. } = trainer.evaluate().unwrap() else { panic!() };
    assert!(other.iter().zip(&ratios).all(|(a, b)| (a.loss - b.loss).abs() > 1e-3), "{other:?}");
}

#[test]
fn evaluating_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run_of = |name: &str, evaluate_steps: u64| {
        let mut config = long(6);
        config.run.evaluate_steps = evaluate_steps;
        let place = folder.path().join(name);
        let (losses, ..) = run(&mut Trainer::open(&config, &place, &|_| Continue(())).unwrap());
        let files = ["step-000000006/model.safetensors", "model/model.safetensors"];
        (losses, files.map(|file| std::fs::read(place.join(file)).unwrap()))
    };
    assert!(run_of("each step", 1) == run_of("at the end", 1000));
}

#[test]
fn runs_share_tokenised_text_and_say_what_they_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(2);
    config.run.cache = Some(folder.path().join("cache"));
    let tokenised = std::cell::Cell::new(0);
    let open = |name: &str, config: &Config| {
        tokenised.set(0);
        let told = |bytes| {
            tokenised.set(tokenised.get() + bytes);
            Continue(())
        };
        Trainer::open(config, &folder.path().join(name), &told).map(drop)
    };
    open("first", &config).unwrap();
    assert!(tokenised.get() > 0);
    open("second", &config).unwrap();
    assert_eq!(tokenised.get(), 0);
    assert!(!folder.path().join("second/tokens").exists());
    // Where it is doesn't make it another run.
    config.run.cache = None;
    open("first", &config).unwrap();

    let data = std::fs::read(folder.path().join("first/data.json")).unwrap();
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let text = &config.data.train[0];
    let noted = &data["files"]["train"][0];
    assert_eq!(noted["bytes"], std::fs::metadata(text).unwrap().len());
    assert!(noted["path"].as_str().unwrap().ends_with("fixtures/moby-dick.txt"));
    assert_eq!(noted["hash"].as_str().unwrap().len(), 16);
}

#[test]
fn a_run_does_not_go_on_from_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(1);
    run(&mut Trainer::open(&config, &folder.path().join("base"), &|_| Continue(())).unwrap());
    let model = folder.path().join("base/model");
    config.from = From::Checkpoint(model.clone());
    config.stages[0].steps = 2;
    let next = folder.path().join("next");
    drop(Trainer::open(&config, &next, &|_| Continue(())).unwrap());
    drop(Trainer::open(&config, &next, &|_| Continue(())).unwrap());
    let file = model.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let said = Trainer::open(&config, &next, &|_| Continue(())).err().unwrap().to_string();
    assert!(said.contains("(the model of from.checkpoint differs)"), "{said}");
}
