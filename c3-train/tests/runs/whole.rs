//! Whole runs of a very small model.

use std::ops::ControlFlow::Continue;
use std::path::Path;

use c3_train::{Continuation, Data, Dtype, Event, Finished, From, Trainer};

use crate::support::{config, losses};

fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    let files = ["model.safetensors", "llm1/model.safetensors", "config.json"];
    files.map(|file| std::fs::read(folder.join(file)).unwrap()).to_vec()
}

#[test]
fn a_run_that_is_stopped_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(7);
    let whole = folder.path().join("whole");
    let mut trainer = Trainer::open(&config, &whole, &|_| Continue(())).unwrap();
    let (expected, finished) = losses(&mut trainer, usize::MAX);
    assert_eq!((expected.len(), finished), (7, Finished::Done));

    let parts = folder.path().join("parts");
    let mut found = Vec::new();
    for most in [3, 1, usize::MAX] {
        let mut trainer = Trainer::open(&config, &parts, &|_| Continue(())).unwrap();
        assert_eq!(trainer.step(), found.len() as u64);
        found.extend(losses(&mut trainer, most).0);
    }
    assert_eq!(found, expected);
    assert_eq!(bytes(&parts.join("model")), bytes(&whole.join("model")));
    // A checkpoint that was being written when its run was killed is passed over.
    std::fs::create_dir(parts.join("step-000000099.partial")).unwrap();
    let mut trainer = Trainer::open(&config, &parts, &|_| Continue(())).unwrap();
    assert_eq!(losses(&mut trainer, usize::MAX), (vec![], Finished::Done));
    assert_eq!(bytes(&parts.join("model")), bytes(&whole.join("model")));
}

#[test]
fn it_learns_and_its_model_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(60);
    config.data = Data { shuffled: 0.0, drawn: 0.0, wrong: 0.0, ..config.data };
    config.stages[0].lengths = vec![8];
    config.run.evaluate_steps = 60;
    let mut trainer = Trainer::open(&config, folder.path(), &|_| Continue(())).unwrap();
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
    let mut trainer = Trainer::open(&more, &next, &|_| Continue(())).unwrap();
    let (losses, _) = self::losses(&mut trainer, usize::MAX);
    assert!(losses[0] < 0.8 * first, "{losses:?}");
}

#[test]
fn a_model_in_8_bits_is_off_by_half_a_step_of_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(2);
    config.optimizer.average = 0.0;
    config.run.weights = Dtype::Int8;
    losses(&mut Trainer::open(&config, folder.path(), &|_| Continue(())).unwrap(), usize::MAX);
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
        shuffled: 0.0,
        drawn: 0.0,
        wrong: 0.0,
        continuation: Some(Continuation { share: 0.5, question }),
    };
    let trainer = Trainer::open(&config, &folder.path().join("run"), &|_| Continue(())).unwrap();
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
