use crate::support::{Dir, TEXT};

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
    assert_eq!(results["char_similarity"].as_f64().unwrap(), similarity);
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

#[test]
fn special_tokens_in_the_text_are_only_characters() {
    let dir = Dir::new();
    for text in ["text with <img>, </img>, <|im_end|>", "text with <img>, </img>, <|im_end|> in it"]
    {
        let args = ["roundtrip", "--json", "--strict", "-r", "4"];
        let results = dir.pipe(&args, text.as_bytes()).expect(0).json();
        assert_eq!(results["exact"], true);
        assert_eq!(results["segments"], 1);
        // As special tokens, these three would be three tokens of less than ten.
        assert!(results["text_tokens"].as_u64().unwrap() > 15, "{results}");
        dir.pipe(&["compress", "-q", "-f", "-r", "4", "-o", "out.c3"], text.as_bytes()).expect(0);
        assert_eq!(dir.run(&["decompress", "-q", "out.c3"]).expect(0).text(), text);
    }
}

#[test]
fn the_report_for_people_shows_what_differs() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
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
