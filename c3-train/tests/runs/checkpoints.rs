//! Which checkpoints a run keeps, and which it takes up.

use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};

use c3_train::{Config, Error, Event, From, Trainer};
use candle_core::{Device, Tensor};

use crate::support::{config, losses};

/// The steps whose checkpoints are in a folder, in order.
fn steps(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<String> = names.filter(|name| name.starts_with("step-")).collect();
    steps.sort();
    steps
}

/// A run of three good steps, after which its rates grow so much that the fourth's update is the last.
fn ruined(folder: &Path, adam_rate: f64) -> (Config, Error, u64) {
    let mut good = config(40);
    good.run.checkpoint_seconds = 0;
    losses(&mut Trainer::open(&good, folder, &|_| Continue(())).unwrap(), 3);
    let mut wild = good.clone();
    wild.optimizer.adam_rate = adam_rate;
    wild.optimizer.clip = 0.0;
    let path = folder.join("config.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, toml::to_string(&wild).unwrap()).unwrap();
    let mut trainer = Trainer::open(&wild, folder, &|_| Continue(())).unwrap();
    assert_eq!(trainer.step(), 3);
    let mut saved = 0;
    let error = trainer.run(&mut |event| {
        if let Event::Saved { step } = event {
            saved = *step;
        }
        true
    });
    std::fs::write(&path, before).unwrap();
    (good, error.unwrap_err(), saved)
}

/// Whether a run can be taken up after step 3 with a model that does what it did.
fn goes_on_after_step_3(good: &Config, folder: &Path) {
    assert_eq!(steps(folder), ["step-000000003"]);
    let mut trainer = Trainer::open(good, folder, &|_| Continue(())).unwrap();
    assert_eq!(trainer.step(), 3);
    let Event::Evaluated { ratios, .. } = trainer.evaluate().unwrap() else { panic!() };
    assert!(ratios.iter().all(|of| of.loss < 10.0), "{ratios:?}");
    assert!(losses(&mut trainer, 2).0.iter().all(|loss| loss.is_finite()));
}

/// Numbers that are finite still, but too large to compute with, are saved; the next step finds out.
#[test]
fn weights_of_which_no_loss_is_finite_do_not_replace_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (good, error, saved) = ruined(folder.path(), 1e30);
    let said = error.to_string();
    let Error::NotFinite { what, step, kept, .. } = error else { panic!("{said}") };
    assert_eq!((what.as_str(), saved, step, kept), ("loss", 4, 5, 3), "{said}");
    assert!(said.contains("of step 5 is") && said.contains("of step 3 is kept"), "{said}");
    goes_on_after_step_3(&good, folder.path());
}

#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (good, error, saved) = ruined(folder.path(), 1e300);
    let said = error.to_string();
    let Error::NotFinite { step, kept, .. } = error else { panic!("{said}") };
    assert_eq!((saved, step, kept), (0, 4, 3), "{said}");
    assert!(said.contains("after the update of step 4"), "{said}");
    std::fs::remove_dir_all(folder.path().join("step-000000004.partial")).ok();
    goes_on_after_step_3(&good, folder.path());
}

#[test]
fn one_checkpoint_stays_when_the_next_step_went_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(5);
    config.run.checkpoint_seconds = 0;
    let mut seen = Vec::new();
    let mut trainer = Trainer::open(&config, folder.path(), &|_| Continue(())).unwrap();
    let run = trainer.run(&mut |event| {
        if let Event::Step { .. } = event {
            seen.push(steps(folder.path()).len());
        }
        true
    });
    run.unwrap();
    assert_eq!(seen, [0, 1, 1, 1, 1]);
    assert_eq!(steps(folder.path()), ["step-000000005"]);
}

/// Changes one tensor of a file.
fn change(path: &Path, name: &str, to: impl Fn(&Tensor) -> Option<Tensor>) {
    let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let tensor = tensors.remove(name).unwrap();
    tensors.extend(to(&tensor).map(|tensor| (name.to_owned(), tensor)));
    candle_core::safetensors::save(&tensors, path).unwrap();
}

fn turned(tensor: &Tensor) -> Option<Tensor> {
    Some(tensor.t().unwrap().contiguous().unwrap())
}

#[test]
fn a_tensor_of_another_shape_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(5);
    losses(&mut Trainer::open(&config, folder.path(), &|_| Continue(())).unwrap(), 2);
    let step = folder.path().join("step-000000002");
    let refusal =
        || Trainer::open(&config, folder.path(), &|_| Continue(())).err().unwrap().to_string();
    let with = |file: &str, name: &str, to: &dyn Fn(&Tensor) -> Option<Tensor>| {
        let path: PathBuf = step.join(file);
        let before = std::fs::read(&path).unwrap();
        change(&path, name, to);
        let said = refusal();
        std::fs::write(&path, before).unwrap();
        assert!(said.contains(file), "{said}");
        said
    };
    // As many numbers, but not the same tensor.
    let down = "model.layers.0.mlp.down_proj.weight";
    let said = with("model.safetensors", down, &turned);
    assert!(said.contains("down_proj.weight of shape [32, 48], found [48, 32]"), "{said}");
    let said = with("llm1/model.safetensors", down, &turned);
    assert!(said.contains("of shape [32, 48], found [48, 32]"), "{said}");
    let said = with("model.safetensors", down, &|_| None);
    assert!(said.contains("of shape [32, 48], found none"), "{said}");
    let shorter = |tensor: &Tensor| Some(tensor.narrow(0, 0, 5).unwrap());
    let said = with("optimizer.safetensors", &format!("first/{down}"), &shorter);
    assert!(said.contains("of shape [1536], found [5]"), "{said}");
    // As it was, it is taken up.
    assert_eq!(Trainer::open(&config, folder.path(), &|_| Continue(())).unwrap().step(), 2);

    let mut wider = config.clone();
    if let From::Scratch(shape) = &mut wider.from {
        shape.feed_forward = 64;
    }
    let said = Trainer::open(&wider, folder.path(), &|_| Continue(())).err().unwrap().to_string();
    assert!(said.contains("begun with another configuration (from differs)"), "{said}");
}

#[test]
fn a_checkpoint_that_does_not_fit_its_own_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(2);
    let run = folder.path().join("run");
    losses(&mut Trainer::open(&config, &run, &|_| Continue(())).unwrap(), usize::MAX);
    config.from = From::Checkpoint(run.join("model"));
    change(&run.join("model/model.safetensors"), "model.layers.0.mlp.down_proj.weight", turned);
    let opened = Trainer::open(&config, &folder.path().join("next"), &|_| Continue(()));
    let said = opened.err().unwrap().to_string();
    assert!(said.contains("down_proj.weight"), "{said}");
    assert!(said.contains("[32, 48]") && said.contains("[48, 32]"), "{said}");
}
