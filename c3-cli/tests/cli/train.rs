use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

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

/// A configuration of a small model with random weights.
fn small(dir: &Dir, steps: u64, more: &str) {
    config(dir, more);
    let text = std::fs::read_to_string(dir.path("train.toml")).unwrap();
    let (_, text) = text.split_once("[data]").unwrap();
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/c3-tiny/tokenizer.json");
    let small = format!(
        "[from.scratch]\ntokenizer = {tokenizer:?}\nlayers = 1\nhidden = 64\nheads = 2\n\
         feed_forward = 128\nsegment_tokens = 32\nbanks = {{ 4 = 8 }}\ndefault_ratio = 4\n\
         query_positions = \"aligned\"\n[data]{}",
        text.replace("steps = 3\n", &format!("steps = {steps}\n"))
            .replace("evaluate_steps = 3\n", "evaluate_steps = 10000000\n")
    );
    dir.write("train.toml", small);
}

fn args(run: &str) -> [&str; 6] {
    ["train", "train.toml", "--out", run, "--threads", "1"]
}

/// The names of a run's events, in order.
fn events(dir: &Dir, run: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.path(format!("{run}/log.jsonl"))).unwrap_or_default();
    // The last line may be half written.
    let lines = text.lines().map_while(|line| serde_json::from_str(line).ok());
    lines.map(|event: serde_json::Value| event["event"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the events of this sitting are as they should be; `false` where the run ended before.
fn wait(dir: &Dir, run: &str, child: &mut Child, so: impl Fn(&[String]) -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(120);
    let before = events(dir, run).len();
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it hasn't come to that");
        if so(events(dir, run).get(before..).unwrap_or_default()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The files of the model that a run ends with.
fn model(dir: &Dir, run: &str) -> Vec<Vec<u8>> {
    let files = ["model.safetensors", "llm1/model.safetensors", "config.json"];
    files.map(|file| std::fs::read(dir.path(format!("{run}/model/{file}"))).unwrap()).to_vec()
}

#[test]
fn a_run_that_is_killed_ends_as_if_it_had_not_been() {
    let dir = Dir::new();
    small(&dir, 300, "checkpoint_seconds = 1\n");
    dir.run(&args("whole")).expect(0);
    let mut hits = 0;
    for turn in 0..3 {
        let mut running = dir.spawn(&mut dir.command(args("parts")));
        // Some steps behind a checkpoint, which are done again then.
        let behind = 1 + (RandomState::new().hash_one(turn) % 5) as usize;
        let until = wait(&dir, "parts", &mut running, |events| {
            let saved = events.iter().rposition(|event| event == "saved");
            saved.is_some_and(|saved| events.len() > saved + behind)
        });
        running.kill().unwrap();
        running.wait().unwrap();
        hits += usize::from(until);
    }
    assert!(hits > 0, "no kill came between two checkpoints");
    dir.run(&args("parts")).expect(0);
    let steps = events(&dir, "parts").iter().filter(|event| *event == "step").count();
    assert!(steps > 300, "no step was done again: {steps}");
    assert!(model(&dir, "parts") == model(&dir, "whole"));
}

/// At the beginning, while a step is computed or a checkpoint written: each step ends with one here.
#[test]
fn a_run_that_is_killed_at_random_moments_ends_as_if_it_had_not_been() {
    let dir = Dir::new();
    small(&dir, 60, "checkpoint_seconds = 0\n");
    let begun = Instant::now();
    dir.run(&args("whole")).expect(0);
    let whole = begun.elapsed();
    for turn in 0..3 {
        let mut running = dir.spawn(&mut dir.command(args("parts")));
        let share = RandomState::new().hash_one(turn) as f64 / u64::MAX as f64;
        std::thread::sleep(whole.mul_f64(share / 8.0));
        assert_eq!(running.try_wait().unwrap(), None, "it ended before it was killed");
        running.kill().unwrap();
        running.wait().unwrap();
    }
    dir.run(&args("parts")).expect(0);
    assert!(model(&dir, "parts") == model(&dir, "whole"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    let dir = Dir::new();
    small(&dir, 120, "");
    dir.run(&args("whole")).expect(0);
    let mut running = dir.spawn(&mut dir.command(args("parts")));
    assert!(wait(&dir, "parts", &mut running, |events| events.len() > 3));
    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let run = Run::from(running.wait_with_output().unwrap()).expect(130);
    let (_, said) = run.stderr.split_once("stopped after step ").expect(&run.stderr);
    let (step, said) = said.split_once(';').unwrap();
    assert!(said.starts_with(" the same command goes on"), "{said}");
    let step: u64 = step.parse().unwrap();
    assert!((3..120).contains(&step), "{step}");
    assert!(dir.path(format!("parts/step-{step:09}/optimizer.safetensors")).exists());
    let again = dir.run(&args("parts")).expect(0);
    assert!(again.stderr.contains(&format!("{} of 120 steps to do", 120 - step)));
    assert!(model(&dir, "parts") == model(&dir, "whole"));
}

#[test]
fn it_stops_when_the_time_is_over() {
    let dir = Dir::new();
    small(&dir, 1_000_000, "");
    let run = dir.run(&[&args("run")[..], &["--minutes", "0.02"]].concat()).expect(0);
    assert!(run.stderr.contains("the same command goes on"), "{}", run.stderr);
    let events = events(&dir, "run");
    assert_eq!(events.last().unwrap(), "saved");
    assert!(!dir.path("run/model").exists());
    for wrong in ["0", "-1", "soon", "nan"] {
        let run = dir.run(&["train", "train.toml", &format!("--minutes={wrong}")]).expect(2);
        assert!(run.stderr.contains("expected a number above 0"), "{}", run.stderr);
    }
}

#[test]
fn a_run_means_the_same_from_everywhere() {
    let dir = Dir::new();
    small(&dir, 4, "");
    dir.run(&args("run")).expect(0);
    let text = std::fs::read_to_string(dir.path("run/config.toml")).unwrap();
    let place = dir.path("text.txt").canonicalize().unwrap();
    assert!(text.contains(&format!("{place:?}")), "{text}");
    let from = |folder: &str, args: &[&str]| {
        std::fs::create_dir_all(dir.path(folder)).unwrap();
        Run::of(dir.command(args).current_dir(dir.path(folder)))
    };
    let out = dir.path("run").display().to_string();
    let again = from("deep/er", &["train", "../../train.toml", "--out", &out]).expect(0);
    assert!(again.stderr.contains("0 of 4 steps to do"), "{}", again.stderr);
    // What it has noted is a configuration of the same run.
    let noted =
        from("deep", &["train", "--config", "../run/config.toml", "-o", "again", "--threads", "1"])
            .expect(0);
    assert!(noted.stderr.contains("4 of 4 steps to do"), "{}", noted.stderr);
    assert!(model(&dir, "deep/again") == model(&dir, "run"));

    // Earlier versions noted paths as they were given, from the working directory.
    let older = text.replace(&format!("{place:?}"), "\"deep/./../deep/er/../../text.txt\"");
    assert_ne!(older, text);
    dir.write("run/config.toml", older);
    dir.run(&args("run")).expect(0);
    let moved = from("deep/er", &["train", "../../train.toml", "--out", &out]).expect(2);
    assert!(moved.stderr.contains("(data differs)"), "{}", moved.stderr);
}

#[test]
fn a_run_is_named_like_its_configuration() {
    let dir = Dir::new();
    small(&dir, 2, "");
    std::fs::create_dir(dir.path("configs")).unwrap();
    let text = std::fs::read_to_string(dir.path("train.toml")).unwrap();
    dir.write("configs/tiny.toml", text.replace("\"text.txt\"", "\"../text.txt\""));
    let named = dir.run(&["train", "--config", "configs/tiny.toml"]).expect(0);
    assert!(named.stderr.contains("the model is in tiny/model"), "{}", named.stderr);
    dir.run(&["train", "configs/tiny.toml"]).expect(0);
    let both = dir.run(&["train", "train.toml", "--config", "train.toml"]).expect(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
    // What was there before is no run.
    dir.write("train/mine.txt", "mine");
    let said = dir.run(&["train", "train.toml"]).expect(2).stderr;
    assert!(said.contains("train is there already and isn't a run's folder"), "{said}");
    assert_eq!(std::fs::read_dir(dir.path("train")).unwrap().count(), 1);
}

#[test]
fn a_loss_that_is_no_number_ends_the_run() {
    let dir = Dir::new();
    small(
        &dir,
        40,
        "checkpoint_seconds = 0\n[optimizer]\nadam_rate = 1e30\nclip = 0.0\nwarm_up = 0\n",
    );
    let run = dir.run(&args("run")).expect(2);
    let said = &run.stderr;
    assert!(said.contains("error: the loss of step ") && said.contains(" is kept "), "{said}");
    assert!(!dir.path("run/model").exists());
}

/// A file that grows too large stands for a disk that is full.
#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_the_last_checkpoint_stays() {
    let dir = Dir::new();
    config(&dir, "checkpoint_seconds = 0\n");
    dir.run(&["train", "train.toml", "--out", "whole", "--threads", "1"]).expect(0);

    let args = ["train", "train.toml", "--out", "run", "--threads", "1"];
    let limited = |blocks: u32| {
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let c3 = dir.command(["train"]).get_program().to_owned();
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).arg(c3).args(args).current_dir(dir.path(""));
        Run::of(&mut command).expect(2).stderr
    };
    let said = limited(8000);
    assert!(said.contains("model.safetensors") && said.contains("too large"), "{said}");
    assert!(!dir.path("run/model").exists());
    dir.run(&args).expect(0);
    assert!(model(&dir, "run") == model(&dir, "whole"));

    // A model that is finished stays until it can be written again.
    let said = limited(2000);
    assert!(said.contains("too large"), "{said}");
    assert!(model(&dir, "run") == model(&dir, "whole"));
}

/// What was saved while there was room is taken up.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_becomes_full_leaves_an_earlier_checkpoint() {
    let dir = Dir::new();
    small(&dir, 40, "");
    dir.run(&args("whole")).expect(0);
    small(&dir, 40, "checkpoint_seconds = 0\n");
    // A signal that is ignored when a program begins stays so.
    let c3 = dir.command(["train"]).get_program().to_owned();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(c3).args(args("parts"));
    let mut running = dir.spawn(command.current_dir(dir.path("")));
    assert!(wait(&dir, "parts", &mut running, |events| events.contains(&"saved".into())));
    let id = running.id().to_string();
    let full = Command::new("prlimit").args(["--fsize=1000000", "--pid", &id]).status();
    assert!(full.unwrap().success());
    let run = Run::from(running.wait_with_output().unwrap()).expect(2);
    assert!(run.stderr.contains("too large"), "{}", run.stderr);
    let again = dir.run(&args("parts")).expect(0);
    let (left, _) = again.stderr.split_once(" of 40 steps to do").expect(&again.stderr);
    let left: u64 = left.rsplit('\n').next().unwrap().parse().unwrap();
    assert!((1..40).contains(&left), "{left}");
    assert!(model(&dir, "parts") == model(&dir, "whole"));
}

#[test]
fn a_vocabulary_is_learnt() {
    let dir = Dir::new();
    dir.write("text.txt", TEXT);
    let args = ["train", "tokenizer", "text.txt", "--vocabulary", "300", "--out", "t.json"];
    assert!(dir.run(&args).expect(0).stderr.contains("300 tokens in t.json"));
    let learnt = std::fs::read_to_string(dir.path("t.json")).unwrap();
    assert!(learnt.contains("<imgpad>"));
    dir.write("t.json", "mine");
    assert!(dir.run(&args).expect(2).stderr.contains("t.json"));
    assert_eq!(std::fs::read_to_string(dir.path("t.json")).unwrap(), "mine");
    dir.run(&[&args[..], &["--force"]].concat()).expect(0);
    assert_eq!(std::fs::read_to_string(dir.path("t.json")).unwrap(), learnt);
    let printed = dir.run(&[&args[..6], &["-"]].concat()).expect(0);
    assert_eq!(printed.stdout, learnt.as_bytes());
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
