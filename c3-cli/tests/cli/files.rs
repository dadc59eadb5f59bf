//! Commands on files: append, grep, diff, verify.

use crate::checkpoints;
use crate::support::{Dir, TEXT, letters};

fn compressed(dir: &Dir, name: &str, text: &str, options: &[&str]) {
    let args = [&["compress", "-q", "-f", "-o", name], options].concat();
    dir.pipe(&args, text.as_bytes()).expect(0);
}

#[test]
fn appended_text_comes_after_what_was_there() {
    let dir = Dir::new();
    compressed(&dir, "a.c3", TEXT, &["--exact"]);
    let run = dir.pipe(&["append", "a.c3", "--exact", "--json"], b"And so on.\xff\n").expect(0);
    assert!(run.stderr.contains("1 segment and 1 more"), "{}", run.stderr);
    dir.pipe(&["append", "a.c3", "-q", "--exact"], TEXT.as_bytes()).expect(0);
    let whole = [TEXT.as_bytes(), b"And so on.\xff\n", TEXT.as_bytes()].concat();
    assert!(dir.run(&["decompress", "-q", "--strict", "a.c3"]).expect(0).stdout == whole);
    let facts = dir.run(&["inspect", "--verify", "--json", "a.c3"]).expect(0).json();
    assert_eq!(facts["text_bytes"], whole.len());
    // The same text in one go has the same hash.
    dir.write("whole.txt", &whole);
    dir.run(&["compress", "-q", "--exact", "whole.txt", "-o", "b.c3"]).expect(0);
    let other = dir.run(&["inspect", "--json", "b.c3"]).expect(0).json();
    assert_eq!(facts["source_sha256"], other["source_sha256"]);

    // Levels mix; a file that nobody checked can be gone on with.
    compressed(&dir, "fast.c3", TEXT, &["--fast"]);
    dir.pipe(&["append", "fast.c3", "-q"], b"More.").expect(0);
    let facts = dir.run(&["inspect", "--json", "fast.c3"]).expect(0).json();
    let levels: Vec<&str> = facts["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["fidelity"]["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["unchecked", "checked"]);
}

#[test]
fn what_cannot_be_appended_leaves_the_file_alone() {
    let dir = Dir::new();
    checkpoints::other(&dir, "other");
    compressed(&dir, "a.c3", TEXT, &[]);
    let before = dir.read("a.c3");
    let run = dir.pipe(&["append", "a.c3", "--model", "other"], b"x").expect(2);
    assert!(run.stderr.contains("a file's latents are all of one encoder"), "{}", run.stderr);
    let run = dir.pipe(&["append", "a.c3"], b"not UTF-8: \xff").expect(2);
    assert!(run.stderr.contains("invalid byte at offset 11"), "{}", run.stderr);
    assert_eq!(dir.read("a.c3"), before);
    compressed(&dir, "lossy.c3", TEXT, &["--fast", "--lossy"]);
    let run = dir.pipe(&["append", "lossy.c3"], b"x").expect(2);
    assert!(run.stderr.contains("go on with its source's hash"), "{}", run.stderr);
    assert_eq!(dir.names(), ["a.c3", "lossy.c3", "other"]);
}

#[test]
fn lines_are_found_with_their_offsets() {
    let dir = Dir::new();
    let text = format!("First line.\n{TEXT}Last: a TRUTH indeed\n");
    compressed(&dir, "a.c3", &text, &["--exact"]);
    let found = dir.run(&["grep", "truth universally|daughters", "a.c3"]).expect(0).text();
    let lines: Vec<(usize, &str)> = found
        .lines()
        .map(|line| line.split_once(':').map(|(at, line)| (at.parse().unwrap(), line)).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (at, line) in &lines {
        assert!(text[*at..].starts_with(line), "{at}: {line}");
    }
    assert_eq!(dir.run(&["grep", "-c", "-i", "truth", "a.c3"]).expect(0).text(), "3\n");
    assert_eq!(dir.run(&["grep", "-F", "-c", "(", "a.c3"]).expect(1).text(), "0\n");
    dir.run(&["grep", "no such words", "a.c3"]).expect(1);
    let first = dir.run(&["grep", "--max-count", "1", "line|Last", "a.c3"]).expect(0).text();
    assert_eq!(first, "0:First line.\n");
    let json = dir.run(&["grep", "--json", "Last", "a.c3"]).expect(0).json();
    assert_eq!(json["matches"][0][0], text.find("Last").unwrap());
}

#[test]
fn files_are_compared_by_their_segments() {
    let dir = Dir::new();
    let part = |n: usize| format!("Chapter {n}.\n\n{TEXT}\n");
    let old: String = (0..6).map(part).collect();
    compressed(&dir, "a.c3", &old, &["--fast"]);
    compressed(&dir, "b.c3", &old, &["-r", "32"]);
    let same = dir.run(&["diff", "a.c3", "b.c3"]).expect(0).text();
    assert!(same.starts_with("the same text, in "), "{same}");
    compressed(&dir, "b.c3", &(old.clone() + "More.\n"), &["--fast"]);
    let run = dir.run(&["diff", "a.c3", "b.c3"]).expect(1).text();
    assert!(run.contains("in common") && run.contains("+ segment "), "{run}");
    let json = dir.run(&["diff", "--json", "a.c3", "b.c3"]).expect(1).json();
    assert_eq!(json["same_text"], false);
    assert!(json["equal_segments"].as_u64().unwrap() >= 1, "{json}");
    assert!(!json["only_in_b"].as_array().unwrap().is_empty());
    // Nothing is certain enough for latents: segments are halved until they are kept as text.
    let uncertain = ["--exact", "--max-corrections", "0", "--margin", "1e9"];
    compressed(&dir, "b.c3", &old, &uncertain);
    let run = dir.run(&["diff", "a.c3", "b.c3"]).expect(0).text();
    assert!(run.starts_with("the same text; ") && run.contains("+ segment "), "{run}");
    let json = dir.run(&["diff", "--json", "a.c3", "b.c3"]).expect(0).json();
    let only = |side: &str| json[side].as_array().unwrap().len();
    assert!(json["same_text"] == true && only("only_in_b") > only("only_in_a"), "{json}");
}

/// What is added can be promised in its own way.
#[test]
fn levels_of_what_is_appended() {
    let dir = Dir::new();
    compressed(&dir, "a.c3", TEXT, &["-r", "8"]);
    let added = letters(900);
    let append = |options: &[&str]| {
        let args = [&["append", "a.c3", "--json"], options].concat();
        dir.pipe(&args, added.as_bytes()).expect(0).json()
    };
    let precise = append(&["--min-precision", "0.99"]);
    let number = |summary: &serde_json::Value, key: &str| summary[key].as_f64().unwrap();
    let wrong = precise["fidelity"]["mismatches"].as_f64().unwrap();
    assert!(wrong <= 0.01 * number(&precise, "text_tokens"), "{precise}");
    let spent = append(&["--budget", "120"]);
    let positions = number(&spent, "text_tokens") / number(&spent, "token_ratio");
    assert!(positions <= 120.0 + 1e-6, "{spent}");
    let exact = append(&["--exact", "--ratio", "32"]);
    assert_eq!(exact["fidelity"]["promised"], true);
    assert!(number(&exact, "corrections") > 0.0, "{exact}");
    let whole = TEXT.to_owned() + &added.repeat(3);
    dir.write("whole.txt", &whole);
    let found = dir.run(&["verify", "a.c3", "--against", "whole.txt", "--json"]).expect(0).json();
    assert_eq!(found["same_text"], true);
    let range = format!("{}..{}", whole.len() - 700, whole.len());
    let end = dir.run(&["decompress", "-q", "a.c3", "--bytes", &range]).expect(0).text();
    assert_eq!(end, whole[whole.len() - 700..]);
}

#[test]
fn a_file_is_verified_by_decoding_and_against_its_text() {
    let dir = Dir::new();
    let text = TEXT.repeat(3);
    dir.write("in.txt", &text);
    for level in ["--exact", "--check", "--fast"] {
        compressed(&dir, "a.c3", &text, &[level, "-r", "16"]);
        let alone = dir.run(&["verify", "a.c3", "--json"]).expect(0).json();
        let against =
            dir.run(&["verify", "a.c3", "--against", "in.txt", "--json"]).expect(0).json();
        for key in ["segments", "exact", "differing", "broken_promises", "not_as_foretold"] {
            assert_eq!(alone[key], against[key], "{level} {key}");
        }
        assert_eq!(against["same_text"], true);
        if level == "--exact" {
            assert_eq!(alone["differing"], 0);
        }
    }
    dir.write("other.txt", text.replace("fortune", "Fortune"));
    let run = dir.run(&["verify", "a.c3", "--against", "other.txt"]).expect(1);
    assert!(run.text().contains("not the text of this file"), "{}", run.text());
    dir.write("longer.txt", text.clone() + "x");
    dir.run(&["verify", "a.c3", "--against", "longer.txt"]).expect(1);
    assert!(dir.run(&["verify", "a.c3"]).expect(0).text().contains("as the file says"));
}
