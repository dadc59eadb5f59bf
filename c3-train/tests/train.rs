//! Whole runs of a very small model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use c3_nn::QueryPositions;
use c3_train::{
    Config, Continuation, Data, Dtype, Error, Event, Finished, From, OptimizerConfig, Run, Shape,
    Stage, Trainer,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn config(steps: u64) -> Config {
    let text = root().join("fixtures/moby-dick.txt");
    Config {
        seed: 3,
        from: From::Scratch(Shape {
            tokenizer: root().join("models/c3-tiny/tokenizer.json"),
            layers: 1,
            hidden: 32,
            heads: 2,
            feed_forward: 48,
            segment_tokens: 32,
            banks: BTreeMap::from([(4, 8), (8, 4)]),
            default_ratio: 8,
            query_positions: QueryPositions::Aligned,
        }),
        data: Data {
            train: vec![text.clone()],
            valid: vec![text],
            shuffled: 0.25,
            drawn: 0.1,
            wrong: 0.1,
            continuation: None,
        },
        stages: vec![Stage {
            steps,
            lengths: vec![8, 16],
            ratios: vec![4, 8],
            tokens: 128,
            parts: 2,
        }],
        optimizer: OptimizerConfig {
            warm_up: 2,
            average: 0.9,
            weight_decay: 0.01,
            ..OptimizerConfig::default()
        },
        run: Run {
            evaluate_steps: 1000,
            evaluate_segments: 2,
            micro_tokens: 64,
            workers: 1,
            ..Run::default()
        },
    }
}

fn losses(trainer: &mut Trainer, most: usize) -> (Vec<f64>, Finished) {
    let mut losses = Vec::new();
    let finished = trainer
        .run(&mut |event| {
            if let Event::Step { loss, .. } = event {
                losses.push(*loss);
            }
            losses.len() < most
        })
        .unwrap();
    (losses, finished)
}

fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    let files = ["model.safetensors", "llm1/model.safetensors", "config.json"];
    files.map(|file| std::fs::read(folder.join(file)).unwrap()).to_vec()
}

#[test]
fn a_run_that_is_stopped_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(7);
    let whole = folder.path().join("whole");
    let mut trainer = Trainer::open(&config, &whole, &|_| {}).unwrap();
    let (expected, finished) = losses(&mut trainer, usize::MAX);
    assert_eq!((expected.len(), finished), (7, Finished::Done));

    let parts = folder.path().join("parts");
    let mut found = Vec::new();
    for most in [3, 1, usize::MAX] {
        let mut trainer = Trainer::open(&config, &parts, &|_| {}).unwrap();
        assert_eq!(trainer.step(), found.len() as u64);
        found.extend(losses(&mut trainer, most).0);
    }
    assert_eq!(found, expected);
    assert_eq!(bytes(&parts.join("model")), bytes(&whole.join("model")));
    // A checkpoint that was being written when its run was killed is passed over.
    std::fs::create_dir(parts.join("step-000000099.partial")).unwrap();
    let mut trainer = Trainer::open(&config, &parts, &|_| {}).unwrap();
    assert_eq!(losses(&mut trainer, usize::MAX), (vec![], Finished::Done));
    assert_eq!(bytes(&parts.join("model")), bytes(&whole.join("model")));
}

/// Two workers with half of a step each do what one does with all of it.
#[test]
fn workers_share_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let run = |workers: usize, micro_tokens: usize| {
        let mut config = config(6);
        config.optimizer.bf16 = false;
        config.run = Run { workers, micro_tokens, ..config.run };
        let place = folder.path().join(format!("{workers}-{micro_tokens}"));
        let losses = losses(&mut Trainer::open(&config, &place, &|_| {}).unwrap(), usize::MAX).0;
        let device = candle_core::Device::Cpu;
        let path = place.join("step-000000006/model.safetensors");
        (losses, candle_core::safetensors::load(path, &device).unwrap())
    };
    let (losses, weights) = run(1, 128);
    for (workers, micro_tokens) in [(2, 128), (2, 64), (3, 32)] {
        let (other, others) = run(workers, micro_tokens);
        for (loss, other) in losses.iter().zip(other) {
            assert!((loss - other).abs() < 1e-5 * loss, "{workers}: {loss} {other}");
        }
        for (name, tensor) in &weights {
            let off = (tensor - &others[name]).unwrap().abs().unwrap().max_all().unwrap();
            let off = off.to_scalar::<f32>().unwrap();
            // AdamW divides by the size of a gradient, so what is next to none may have either sign.
            assert!(off < 1e-3, "{workers}: {name} is off by {off}");
        }
    }
}

#[test]
fn it_learns_and_its_model_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(60);
    config.data = Data { shuffled: 0.0, drawn: 0.0, wrong: 0.0, ..config.data };
    config.stages[0].lengths = vec![8];
    config.run.evaluate_steps = 60;
    let mut trainer = Trainer::open(&config, folder.path(), &|_| {}).unwrap();
    let mut evaluated = Vec::new();
    let mut losses = Vec::new();
    let finished = trainer.run(&mut |event| {
        match event {
            Event::Step { loss, .. } => losses.push(*loss),
            Event::Evaluated { ratios, .. } => evaluated.clone_from(ratios),
            _ => {}
        }
        true
    });
    assert_eq!(finished.unwrap(), Finished::Done);
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!((first - 8192f64.ln()).abs() < 0.2, "random weights know nothing: {first}");
    assert!(last < 0.7 * first, "{first} to {last}");
    assert_eq!(evaluated.iter().map(|e| e.ratio).collect::<Vec<_>>(), [4, 8]);
    assert!(evaluated.iter().all(|e| e.loss < 0.8 * first && e.segments == 2), "{evaluated:?}");

    // Whoever may read one of its files may read all.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let files = ["config.json", "model.safetensors", "llm1/model.safetensors"];
        let modes = files.map(|file| {
            let file = folder.path().join("model").join(file);
            std::fs::metadata(file).unwrap().permissions().mode()
        });
        assert!(modes.iter().all(|mode| *mode == modes[0]), "{modes:?}");
    }

    let model = c3_nn::Checkpoint::open(&folder.path().join("model")).unwrap();
    let encoder = c3_encoder::C3Encoder::load(&model, &c3_nn::LoadOptions::default()).unwrap();
    let ids = encoder.tokenizer().encode("Call me Ishmael. Some years ago").unwrap();
    let bank = c3_encoder::Bank::choose(model.config(), c3_core::Compression::Default).unwrap();
    let latents = encoder.latents(&[&ids[..8]], &bank).unwrap();
    assert_eq!(latents[0].dims(), [1, 32]);
    // Its default bank is the one of that ratio, trained.
    let of_ratio =
        c3_encoder::Bank::choose(model.config(), c3_core::Compression::Ratio(8)).unwrap();
    let same = encoder.latents(&[&ids[..8]], &of_ratio).unwrap();
    assert_eq!(latents[0].to_vec2::<f32>().unwrap(), same[0].to_vec2::<f32>().unwrap());

    // And one may begin with it.
    let mut more = config.clone();
    more.from = From::Checkpoint(folder.path().join("model"));
    more.stages[0].steps = 1;
    let next = folder.path().join("next");
    let mut trainer = Trainer::open(&more, &next, &|_| {}).unwrap();
    let (losses, _) = self::losses(&mut trainer, usize::MAX);
    assert!(losses[0] < 0.8 * first, "{losses:?}");
}

#[test]
fn a_model_in_8_bits_is_off_by_half_a_step_of_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(2);
    config.optimizer.average = 0.0;
    config.run.weights = Dtype::Int8;
    losses(&mut Trainer::open(&config, folder.path(), &|_| {}).unwrap(), usize::MAX);
    let open = |name: &str| c3_nn::Checkpoint::open(&folder.path().join(name)).unwrap();
    let (exact, small) = (open("step-000000002"), open("model"));
    let options = c3_nn::LoadOptions::default();
    for (name, shape) in [
        ("model.embed_tokens.weight", [8192, 32]),
        ("model.layers.0.mlp.down_proj.weight", [32, 48]),
        ("model.Q_banks.8.weight", [4, 32]),
    ] {
        let of = |model: &c3_nn::Checkpoint| {
            model.decoder().tensor(name, &shape, &options).unwrap().to_vec2::<f32>().unwrap()
        };
        for (row, found) in of(&exact).iter().zip(of(&small)) {
            let most = row.iter().fold(0f32, |most, x| most.max(x.abs()));
            let off = row.iter().zip(&found).map(|(x, y)| (x - y).abs()).fold(0f32, f32::max);
            assert!(off <= 0.501 * most / 127.0, "{name}: {off} of {most}");
            assert!(found.iter().any(|x| x.abs() > 0.99 * most), "{name}");
        }
    }
    let bytes = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(3 * bytes("model/model.safetensors") < bytes("step-000000002/model.safetensors"));

    // However the weights are kept in memory, latents are about the same.
    let ids: Vec<u32> = (100..130).collect();
    let latents = |model: &c3_nn::Checkpoint, dtype: c3_nn::WeightDtype| {
        let options = c3_nn::LoadOptions { dtype, ..Default::default() };
        let encoder = c3_encoder::C3Encoder::load(model, &options).unwrap();
        let bank =
            c3_encoder::Bank::choose(model.config(), c3_core::Compression::Ratio(4)).unwrap();
        encoder.latents(&[&ids], &bank).unwrap().swap_remove(0)
    };
    let expected = latents(&exact, c3_nn::WeightDtype::F32);
    for dtype in ["auto", "stored", "f16", "bf16", "q8_0"] {
        let found = latents(&small, dtype.parse().unwrap());
        let off = (&found - &expected).unwrap().abs().unwrap().max_all().unwrap();
        let (off, most) = (off, expected.abs().unwrap().max_all().unwrap());
        let share = off.to_scalar::<f32>().unwrap() / most.to_scalar::<f32>().unwrap();
        assert!(share < 0.05, "{dtype}: {share}");
    }
}

/// Asked its question, the model goes on with the text; unasked, it gives the text back.
#[test]
fn it_learns_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    // A text of one word after another: what follows is known from the last word alone.
    let words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    let text: String = words.iter().cycle().take(4000).map(|word| format!(" {word}")).collect();
    let path = folder.path().join("words.txt");
    std::fs::write(&path, text).unwrap();
    let mut config = config(150);
    let question = "Go on.".to_owned();
    config.data = Data {
        train: vec![path.clone()],
        valid: vec![path],
        continuation: Some(Continuation { share: 0.5, question }),
        ..Data::default()
    };
    let trainer = Trainer::open(&config, &folder.path().join("run"), &|_| {}).unwrap();
    let (mut continued, mut steps, mut ratios) = (0, 0, Vec::new());
    let mut begun = None;
    trainer
        .named("a test")
        .run(&mut |event| {
            match event {
                Event::Step { parts, .. } => {
                    steps += 1;
                    continued += parts.iter().filter(|part| part.continued).count();
                }
                Event::Evaluated { ratios: found, .. } => ratios = found.clone(),
                Event::Begun { program, .. } => begun = program.clone(),
                _ => {}
            }
            true
        })
        .unwrap();
    assert_eq!((steps, begun.as_deref()), (150, Some("a test")));
    assert!((120..180).contains(&continued), "{continued} of {} parts", 2 * steps);
    // One of eight words by chance: ln 8 = 2.1.
    for ratio in ratios {
        let going_on = ratio.continued.unwrap();
        assert!(going_on < 1.2 && ratio.loss < 1.2, "{}: {going_on} {}", ratio.ratio, ratio.loss);
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |config: &Config, name: &str| {
        let opened = Trainer::open(config, &folder.path().join(name), &|_| {});
        opened.err().map_or_else(String::new, |error| error.to_string())
    };
    let good = config(2);
    let mut empty = good.clone();
    empty.data.valid = vec![folder.path().join("empty.txt")];
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    let found = refusal(&empty, "a");
    assert!(found.contains("data.valid has 0 tokens of text, expected at least 16"), "{found}");
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
    losses(&mut Trainer::open(&good, &same, &|_| {}).unwrap(), 1);
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

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut wild = config(40);
    wild.optimizer.adam_rate = 1e30;
    wild.optimizer.clip = 0.0;
    wild.run.checkpoint_seconds = 0;
    let mut trainer = Trainer::open(&wild, folder.path(), &|_| {}).unwrap();
    let mut saved = 0;
    let error = trainer
        .run(&mut |event| {
            if let Event::Saved { step } = event {
                saved = *step;
            }
            true
        })
        .unwrap_err();
    let Error::NotFinite { step, .. } = error else { panic!("{error}") };
    assert!(saved > 0 && step == saved + 1, "{saved} {step}");
    assert!(folder.path().join(format!("step-{saved:09}/model.safetensors")).exists());
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
    for (from, to, what) in [
        ("steps = 1", "steps = 0", "expected at least one step"),
        ("lengths = [8]", "lengths = []", "stages.lengths: expected lengths of at least 1"),
        ("tokens = 64", "tokens = 64\nspeed = 3", "unknown field `speed`"),
        ("[data]", "[data]\nshuffled = 1.5", "data.shuffled: expected a number from 0 to 1"),
        ("ratios = [4]", "ratios = 4", "line 10"),
    ] {
        std::fs::write(&path, written.replace(from, to)).unwrap();
        let found = Config::read(&path).unwrap_err().to_string();
        assert!(found.contains(what), "{found}");
    }
}
