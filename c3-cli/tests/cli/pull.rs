//! `c3 pull` against a server on loopback.

use std::path::Path;

use crate::checkpoints;
use crate::hub_server::{COMMIT, Faults, Hub, git_blob, sha256};
use crate::support::{Dir, Run, TEXT};

const FOLDER: &str = "hf/hub/models--org--model";

fn large() -> Vec<u8> {
    (0..500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// What a repository may hold, needed or not.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"a model card".to_vec()),
        ("config.json", br#"{"model_type":"C3"}"#.to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        ("qwen.tiktoken", b"not needed beside tokenizer.json".to_vec()),
        ("model.safetensors", large()),
        ("pytorch_model.bin", b"a pickle".to_vec()),
        ("llm1/config.json", b"{ }".to_vec()),
        ("llm1/model.safetensors", b"the encoder".to_vec()),
        ("../../escape.safetensors", b"elsewhere".to_vec()),
    ]
}

const WANTED: [&str; 5] = [
    "config.json",
    "llm1/config.json",
    "llm1/model.safetensors",
    "model.safetensors",
    "tokenizer.json",
];

fn pull(dir: &Dir, hub: &Hub, args: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command = dir.command([&["pull", "org/model"], args].concat());
    command.env("HF_ENDPOINT", hub.endpoint()).envs(environment.iter().copied());
    Run::of(&mut command)
}

fn assert_complete(dir: &Dir) {
    let snapshot = Path::new(FOLDER).join("snapshots").join(COMMIT);
    for (path, bytes) in files().iter().filter(|(path, _)| WANTED.contains(path)) {
        assert_eq!(&dir.read(snapshot.join(path)), bytes, "{path}");
    }
    assert_eq!(dir.read(format!("{FOLDER}/refs/main")), COMMIT.as_bytes());
    let blobs = std::fs::read_dir(dir.path(format!("{FOLDER}/blobs"))).unwrap();
    assert_eq!(blobs.count(), WANTED.len(), "nothing unfinished is left");
}

fn partial(dir: &Dir) -> std::path::PathBuf {
    dir.path(format!("{FOLDER}/blobs/{}.incomplete", sha256(&large())))
}

#[test]
fn fetches_what_a_model_needs_into_the_hubs_own_layout() {
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
    let run = pull(&dir, &hub, &["--json"], &[]).expect(0);
    assert_complete(&dir);
    let summary = run.json();
    let snapshot = dir.path(format!("{FOLDER}/snapshots/{COMMIT}"));
    assert_eq!(summary["path"], snapshot.to_str().unwrap());
    assert_eq!(summary["commit"], COMMIT);
    let names: Vec<&str> = summary["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(names, WANTED);
    #[cfg(unix)]
    {
        let link = |path: &str| std::fs::read_link(snapshot.join(path)).unwrap();
        let blob = git_blob(br#"{"model_type":"C3"}"#);
        assert_eq!(link("config.json"), Path::new("../../blobs").join(blob));
        let blob = sha256(b"the encoder");
        assert_eq!(link("llm1/model.safetensors"), Path::new("../../../blobs").join(blob));
    }
    hub.requests();
    let again = pull(&dir, &hub, &["--json"], &[]).expect(0).json();
    assert_eq!(again["fetched_bytes"], 0);
    let gets = hub.requests().iter().filter(|r| r.method == "GET").count();
    assert_eq!(gets, 1, "the listing alone");
    assert_eq!(
        pull(&dir, &hub, &["-q"], &[]).expect(0).text().trim_end(),
        snapshot.to_str().unwrap()
    );
}

#[test]
fn goes_on_where_the_connection_broke() {
    let faults = Faults { break_after: Some((180_000, 2)), ..Faults::default() };
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
    pull(&dir, &hub, &[], &[]).expect(0);
    assert_complete(&dir);
    let ranges: Vec<_> = hub.requests().into_iter().filter_map(|request| request.range).collect();
    assert!(ranges.len() >= 2, "{ranges:?}");
    assert!(ranges.iter().all(|range| range != "bytes=0-"), "{ranges:?}");
}

#[test]
fn gives_up_in_the_end_and_goes_on_in_the_next_call() {
    let faults = Faults { break_after: Some((0, u32::MAX)), ..Faults::default() };
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
    std::fs::create_dir_all(partial(&dir).parent().unwrap()).unwrap();
    std::fs::write(partial(&dir), &large()[..200_000]).unwrap();
    let blob = dir.path(format!("{FOLDER}/blobs/{}", sha256(b"the encoder")));
    std::fs::write(blob, b"the encoder").unwrap();
    let run = pull(&dir, &hub, &[], &[]).expect(2);
    assert!(
        run.stderr.contains("the connection broke after 200000 of 500000 bytes"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("hint: what was fetched is kept"), "{}", run.stderr);
    assert!(!dir.path(format!("{FOLDER}/refs/main")).exists());
    hub.requests();
    hub.set(Faults::default());
    let summary = pull(&dir, &hub, &["--json"], &[]).expect(0).json();
    assert_complete(&dir);
    let ranges: Vec<_> = hub.requests().into_iter().filter_map(|request| request.range).collect();
    assert!(ranges.contains(&"bytes=200000-".to_owned()), "{ranges:?}");
    let file = |path: &str| {
        let files = summary["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap()["cached"].as_bool().unwrap()
    };
    assert!(file("llm1/model.safetensors") && !file("model.safetensors"));
}

#[test]
fn a_server_that_cannot_resume_sends_everything_again() {
    let faults = Faults { break_after: Some((100_000, 1)), no_ranges: true, ..Faults::default() };
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
    pull(&dir, &hub, &[], &[]).expect(0);
    assert_complete(&dir);
}

#[test]
fn damaged_files_are_refused_and_removed() {
    for (path, kind) in [("model.safetensors", "sha-256"), ("config.json", "git blob")] {
        let faults = Faults { corrupt: Some(path), ..Faults::default() };
        let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
        let run = pull(&dir, &hub, &[], &[]).expect(2);
        let expected = format!("error: {path} is damaged: expected {kind} ");
        assert!(run.stderr.starts_with(&expected), "{}", run.stderr);
        assert!(run.stderr.contains(", found "), "{}", run.stderr);
        assert!(!dir.path(format!("{FOLDER}/snapshots/{COMMIT}/{path}")).exists());
        assert!(!dir.path(format!("{FOLDER}/refs/main")).exists());
        hub.set(Faults::default());
        pull(&dir, &hub, &[], &[]).expect(0);
        assert_complete(&dir);
    }
}

#[test]
fn damage_left_by_an_earlier_call_is_fetched_anew() {
    for (left, what) in [(vec![7; 1000], "other bytes"), (vec![7; 600_000], "too many")] {
        let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
        std::fs::create_dir_all(partial(&dir).parent().unwrap()).unwrap();
        std::fs::write(partial(&dir), left).unwrap();
        pull(&dir, &hub, &[], &[]).expect(0);
        assert_complete(&dir);
        println!("{what}: fetched anew");
    }
}

#[test]
fn a_file_that_another_process_fetches_is_left_to_it() {
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
    std::fs::create_dir_all(partial(&dir).parent().unwrap()).unwrap();
    let file = std::fs::File::create(partial(&dir)).unwrap();
    file.lock().unwrap();
    pull(&dir, &hub, &["-q"], &[]).fails("error: another process is fetching model.safetensors");
}

#[test]
fn a_token_opens_doors_and_stays_with_the_hub() {
    let faults = Faults { token: Some("hf_secret"), ..Faults::default() };
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
    let refused = |environment: &[(&str, &str)], hint: &str| {
        pull(&dir, &hub, &[], environment).fails(&format!(
            "error: {}/api/models/org/model/revision/main: access refused (HTTP 401): Access to \
             model org/model is restricted\nhint: {hint}",
            hub.endpoint()
        ));
    };
    refused(&[], "private and gated models need a token in HF_TOKEN; is the name right?");
    let wrong = "the token may be expired, or the model's terms not yet accepted";
    refused(&[("HF_TOKEN", "hf_wrong")], wrong);
    hub.requests();
    let run = pull(&dir, &hub, &["-v"], &[("HF_TOKEN", "hf_secret")]).expect(0);
    assert!(!run.stderr.contains("hf_secret"));
    assert_complete(&dir);
    let requests = hub.requests();
    let (cdn, own): (Vec<_>, Vec<_>) = requests.iter().partition(|r| r.path.starts_with("/cdn/"));
    assert!(!cdn.is_empty() && cdn.iter().all(|request| request.authorization.is_none()));
    assert!(own.iter().all(|r| r.authorization.as_deref() == Some("Bearer hf_secret")));

    let dir = Dir::new();
    dir.write("hf/token", "hf_secret\n");
    pull(&dir, &hub, &[], &[]).expect(0);
}

#[test]
fn repositories_that_are_not_there_or_no_c3_models() {
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
    let mut command = dir.command(["pull", "org/nothing"]);
    Run::of(command.env("HF_ENDPOINT", hub.endpoint())).fails(&format!(
        "error: {}/api/models/org/nothing/revision/main: not found (HTTP 404)\n\
         hint: check the name and the revision",
        hub.endpoint()
    ));
    let plain = Hub::serve(&[("config.json", b"{}".to_vec())], Faults::default());
    pull(&dir, &plain, &[], &[])
        .fails("error: org/model is not a C3 checkpoint: it has no llm1/config.json");
    assert!(dir.names().is_empty());
}

#[test]
fn offline_nothing_is_asked() {
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
    pull(&dir, &hub, &[], &[("HF_HUB_OFFLINE", "1")])
        .fails("error: HF_HUB_OFFLINE is set: nothing can be fetched\nhint: unset HF_HUB_OFFLINE");
    assert!(hub.requests().is_empty());
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let faults = Faults { unavailable: 2, ..Faults::default() };
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), faults));
    pull(&dir, &hub, &[], &[]).expect(0);
    assert_complete(&dir);
}

#[test]
fn a_server_that_is_not_there() {
    let dir = Dir::new();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    let run = Run::of(dir.command(["pull", "org/model"]).env("HF_ENDPOINT", &endpoint)).expect(2);
    let expected =
        format!("error: {endpoint}/api/models/org/model/revision/main: the connection failed\n");
    assert!(run.stderr.starts_with(&expected), "{}", run.stderr);
    assert!(run.stderr.contains("caused by: "), "{}", run.stderr);
    Run::of(dir.command(["pull", "org/model"]).env("HF_ENDPOINT", "nowhere")).fails(
        "error: HF_ENDPOINT is \"nowhere\", expected an address that starts with http:// or https://",
    );
    assert!(dir.names().is_empty());
}

#[test]
fn another_revision_has_a_name_of_its_own() {
    let (dir, hub) = (Dir::new(), Hub::serve(&files(), Faults::default()));
    let mut command = dir.command(["pull", "org/model@refs/pr/1"]);
    Run::of(command.env("HF_ENDPOINT", hub.endpoint())).expect(0);
    assert_eq!(hub.requests()[0].path, "/api/models/org/model/revision/refs%2Fpr%2F1");
    assert_eq!(dir.read(format!("{FOLDER}/refs/refs/pr/1")), COMMIT.as_bytes());
    assert!(!dir.path(format!("{FOLDER}/refs/main")).exists());
}

#[test]
fn a_pulled_model_works() {
    let read =
        |path: &'static str| (path, std::fs::read(checkpoints::source().join(path)).unwrap());
    let files = [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "llm1/config.json",
        "llm1/model.safetensors",
    ];
    let (dir, hub) = (Dir::new(), Hub::serve(&files.map(read), Faults::default()));
    pull(&dir, &hub, &["-q"], &[]).expect(0);
    hub.requests();
    let with_pulled = ["compress", "-q", "--model", "org/model", "-o", "pulled.c3"];
    dir.pipe(&with_pulled, TEXT.as_bytes()).expect(0);
    // The same weights under another name: the built-in model reads the file.
    let built_in = dir.run(&["decompress", "-q", "pulled.c3"]).expect(0).stdout;
    let args = ["decompress", "-q", "pulled.c3", "--model", "org/model"];
    assert_eq!(dir.run(&args).expect(0).stdout, built_in);
    assert!(hub.requests().is_empty());
}
