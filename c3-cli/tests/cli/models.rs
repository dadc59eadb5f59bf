use crate::checkpoints;
use crate::support::{Dir, TEXT};

#[test]
fn the_built_in_model_is_listed_and_shown() {
    let dir = Dir::new();
    let list = dir.run(&["models", "list", "--json"]).expect(0).json();
    assert_eq!(list["builtin"]["name"], "c3-tiny");
    // Weights and tokenizer, as they are in the program: whoever installs it loads them.
    let embedded = list["builtin"]["bytes"].as_u64().unwrap();
    assert!((1_000_000..=16_000_000).contains(&embedded), "{embedded} bytes, at most 16 MB");
    assert!(list["cached"].as_array().unwrap().is_empty());
    let facts = dir.run(&["models", "show", "--json"]).expect(0).json();
    assert_eq!(facts["segment_tokens"], 256);
    assert_eq!(facts["encoder"]["layers"], 2);
    let ratios: Vec<u64> = facts["ratios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ratio| ratio["ratio"].as_f64().unwrap() as u64)
        .collect();
    assert_eq!(ratios, [4, 8, 16, 32]);
    let table = dir.run(&["models", "show", "builtin"]).expect(0).text();
    assert!(table.contains("8× (32 latent tokens, the default)"), "{table}");
}

#[test]
fn the_fingerprint_shown_is_the_one_that_files_carry() {
    let dir = Dir::new();
    let shown = dir.run(&["models", "show", "--json"]).expect(0).json();
    dir.compressed("in.c3", TEXT);
    let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
    assert_eq!(facts["fingerprint"], shown["fingerprint"]);
}

#[test]
fn models_in_the_hubs_cache_are_found_by_name() {
    let dir = Dir::new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let folder = "hf/hub/models--org--tiny";
    checkpoints::copy(&dir, &format!("{folder}/snapshots/{commit}"));
    dir.write(format!("{folder}/refs/main"), commit);
    dir.write("hf/hub/models--org--else/snapshots/1/config.json", r#"{"model_type":"gpt2"}"#);
    let list = dir.run(&["models", "list", "--json"]).expect(0).json();
    assert_eq!(list["cached"].as_array().unwrap().len(), 1);
    assert_eq!(list["cached"][0]["name"], "org/tiny");
    assert_eq!(list["cached"][0]["commit"], commit);
    let table = dir.run(&["models", "list"]).expect(0).text();
    assert!(table.contains("org/tiny") && table.contains("at 0123456789ab"), "{table}");

    for name in ["org/tiny", "org/tiny@main", &format!("org/tiny@{commit}")] {
        let args = ["compress", "-q", "-f", "-o", "out.c3", "--model", name];
        dir.pipe(&args, TEXT.as_bytes()).expect(0);
        // A file names its model as `pull` would find it.
        let facts = dir.run(&["inspect", "out.c3", "--json"]).expect(0).json();
        assert_eq!(facts["model"], name);
    }
    dir.pipe(&["compress", "--model", "org/tiny@v2"], TEXT.as_bytes()).expect(2);
}
