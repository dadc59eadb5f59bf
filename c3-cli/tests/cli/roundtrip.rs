use crate::support::{Dir, TEXT, letters};

#[test]
fn the_keys_that_scripts_rely_on() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    let results = dir.run(&["roundtrip", "in.txt", "--json"]).expect(0).json();
    let similarity = results["char_similarity"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&similarity), "{results}");
    assert_eq!(results["exact"].as_bool().unwrap(), similarity == 1.0);
    let (tokens, positions) = (&results["text_tokens"], &results["latent_positions"]);
    let ratio = tokens.as_f64().unwrap() / positions.as_f64().unwrap();
    assert_eq!(results["token_ratio"].as_f64().unwrap(), ratio);
    let ratio = TEXT.len() as f64 / results["stored_bytes"].as_f64().unwrap();
    assert_eq!(results["byte_ratio"].as_f64().unwrap(), ratio);
    assert!(results["encode_seconds"].as_f64().unwrap() > 0.0);
    assert!(results["decode_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(results["model"], "c3-tiny");
}

#[test]
fn agrees_with_compress_and_decompress() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    let results = dir.run(&["roundtrip", "in.txt", "--json", "-r", "16"]).expect(0).json();
    let args = ["compress", "in.txt", "-o", "out.c3", "--json", "--fast", "-r", "16"];
    let compressed = dir.run(&args).expect(0).json();
    for key in ["token_ratio", "byte_ratio", "fingerprint", "text_tokens", "segments"] {
        assert_eq!(results[key], compressed[key], "{key}");
    }
    let restored = dir.run(&["decompress", "-q", "out.c3"]).expect(0).text();
    let similarity = c3_core::char_similarity(TEXT, &restored);
    // JSON's readers may be off by the last bit.
    assert!((results["char_similarity"].as_f64().unwrap() - similarity).abs() < 1e-12);
}

#[test]
fn an_empty_text_comes_back_empty() {
    let dir = Dir::new();
    dir.write("in.txt", "");
    let results = dir.run(&["roundtrip", "in.txt", "--json", "--strict"]).expect(0).json();
    assert_eq!(results["char_similarity"], 1.0);
    assert_eq!(results["exact"], true);
    assert_eq!(results["segments"], 0);
    assert_eq!(results["token_ratio"], 0.0);
    dir.run(&["roundtrip", "in.txt"]).expect(0);
    dir.run(&["compress", "in.txt", "-o", "out.c3"]).expect(0);
    let run = dir.run(&["decompress", "out.c3"]).expect(0);
    assert!(run.stdout.is_empty());
    assert_eq!(run.stderr, "");
}

/// Promises count as what they cost.
#[test]
fn it_can_promise() {
    let dir = Dir::new();
    let text = TEXT.to_owned() + &letters(500);
    let bytes = [text.as_bytes(), b"\r\n\xff\xfe end"].concat();
    let exact = ["roundtrip", "--json", "--strict", "-r", "32", "--exact"];
    let results = dir.pipe(&exact, &bytes).expect(0).json();
    assert_eq!((&results["exact"], &results["char_similarity"]), (&true.into(), &1.0.into()));
    let count = |of: &str| results[of].as_u64().unwrap();
    assert!(count("corrections") > 0 && count("patch_bytes") > 0, "{results}");
    assert_eq!(results["fidelity"]["promised"], true);
    let of_banks = results["fidelity"]["banks"].as_object().unwrap().values();
    let of_banks: u64 = of_banks.map(|segments| segments.as_u64().unwrap()).sum();
    let kept = results["fidelity"]["verbatim"].as_u64().unwrap();
    assert_eq!(of_banks + kept, count("segments"), "{results}");
    let positions = count("latent_positions") + count("corrections");
    assert!(
        results["token_ratio"].as_f64().unwrap() <= count("text_tokens") as f64 / positions as f64
    );
    let better = ["roundtrip", "--json", "-r", "32", "--min-precision", "0.99"];
    let better = dir.pipe(&better, text.as_bytes()).expect(0).json();
    let plain = dir.pipe(&["roundtrip", "--json", "-r", "32"], text.as_bytes()).expect(0).json();
    let similarity = |of: &serde_json::Value| of["char_similarity"].as_f64().unwrap();
    assert!(similarity(&better) > similarity(&plain), "{better} {plain}");
    let refused = dir.pipe(&["roundtrip", "--exact", "--lossy"], TEXT.as_bytes()).expect(2).stderr;
    assert!(refused.contains("--lossy cannot be used with --exact"), "{refused}");
    dir.pipe(&["roundtrip", "--fast"], TEXT.as_bytes()).expect(2);
}

#[test]
fn special_tokens_in_the_text_are_only_characters() {
    let dir = Dir::new();
    for text in ["text with <img>, </img>, <|im_end|>", "text with <img>, </img>, <|im_end|> in it"]
    {
        let args = ["roundtrip", "--json", "--strict", "--exact", "-r", "4"];
        let results = dir.pipe(&args, text.as_bytes()).expect(0).json();
        assert_eq!(results["exact"], true);
        assert_eq!(results["segments"], 1);
        // As special tokens, these three would be three tokens of less than ten.
        assert!(results["text_tokens"].as_u64().unwrap() > 15, "{results}");
        let args = ["compress", "-q", "-f", "--exact", "-r", "4", "-o", "out.c3"];
        dir.pipe(&args, text.as_bytes()).expect(0);
        assert_eq!(dir.run(&["decompress", "-q", "out.c3"]).expect(0).text(), text);
    }
}

#[test]
fn the_report_for_people_shows_what_differs() {
    let dir = Dir::new();
    dir.write("in.txt", letters(500));
    let report = dir.run(&["roundtrip", "in.txt", "-r", "32"]).expect(0).text();
    for label in ["text ", "model ", "restored ", "ratio ", "load ", "encode ", "decode "] {
        assert!(report.lines().any(|line| line.starts_with(label)), "{label}: {report}");
    }
    assert!(report.contains("segment 0, bytes 0..") && report.contains("[-"), "{report}");
    assert!(!report.contains('\u{1b}'), "no color in a pipe");
    let short = dir.run(&["roundtrip", "in.txt", "-r", "32", "--diffs", "0"]).expect(0).text();
    assert!(!short.contains("[-"), "{short}");
    let colored =
        dir.run(&["--color", "always", "roundtrip", "in.txt", "-r", "32"]).expect(0).text();
    assert!(colored.contains("\u{1b}[31m[-"), "{colored}");
    dir.run(&["roundtrip", "in.txt", "-r", "32", "--strict"]).expect(1);
}
