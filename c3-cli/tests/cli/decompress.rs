use crate::support::{Dir, TEXT, letters};

#[test]
fn text_comes_back_to_a_file_and_to_a_pipe() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt"]).expect(0);
    assert!(run.stdout.is_empty());
    let text = dir.read("out.txt");
    assert!(String::from_utf8_lossy(&text).starts_with("It is a truth"));
    assert_eq!(dir.run(&["decompress", "in.c3"]).expect(0).stdout, text);
    assert_eq!(dir.pipe(&["decompress", "-"], &dir.read("in.c3")).expect(0).stdout, text);
    let threads = ["decompress", "in.c3", "--threads", "2", "--batch", "1"];
    assert_eq!(dir.run(&threads).expect(0).stdout, text);
}

#[test]
fn a_warning_says_which_segments_differ_and_strict_makes_it_a_failure() {
    let dir = Dir::new();
    dir.pipe(&["compress", "-q", "-r", "32", "-o", "in.c3"], letters(1500).as_bytes()).expect(0);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt", "--json"]).expect(0);
    let segments = run.json()["segments"].as_u64().unwrap();
    assert_eq!(run.json()["exact_segments"], 0);
    let foretold = run.json()["foretold_mismatches"].as_u64().unwrap();
    let expected = format!(
        "warning: {segments} of {segments} segments did not come back exactly, {foretold} tokens as \
         foretold: 0 (bytes 0..",
    );
    assert!(foretold >= segments && run.stderr.starts_with(&expected), "{}", run.stderr);
    // What was compressed without a check has nothing to foretell.
    let fast = ["compress", "-q", "--fast", "-r", "32", "-o", "fast.c3"];
    dir.pipe(&fast, letters(1500).as_bytes()).expect(0);
    let unchecked = dir.run(&["decompress", "fast.c3", "-o", "fast.txt"]).expect(0).stderr;
    assert!(unchecked.contains("did not come back exactly: 0 (bytes 0.."), "{unchecked}");
    assert_eq!(dir.read("fast.txt"), dir.read("out.txt"));
    let quiet = dir.run(&["decompress", "in.c3", "-q", "--strict"]).expect(1);
    assert_eq!(quiet.stderr, "");
    assert_eq!(quiet.stdout, dir.read("out.txt"));
}

#[test]
fn one_segment_alone_is_what_it_is_among_all() {
    let dir = Dir::new();
    dir.compressed("in.c3", &TEXT.repeat(6));
    let all = dir.run(&["decompress", "-q", "in.c3"]).expect(0).text();
    let count = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json()["segment_count"].as_u64();
    let count = count.unwrap();
    assert!(count >= 2);
    let one = |range: &str| dir.run(&["decompress", "-q", "in.c3", "--segment", range]).expect(0);
    let each: String = (0..count).map(|index| one(&index.to_string()).text()).collect();
    assert_eq!(each, all);
    assert_eq!(one(&format!("0..{count}")).text(), all);
    dir.run(&["decompress", "in.c3", "--segment", &count.to_string()]).fails(&format!(
        "error: segments {count}..{} were asked for, but there are {count}",
        count + 1
    ));
}

#[test]
fn a_cut_off_segment_is_reported() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let args = ["decompress", "in.c3", "-o", "out.txt", "--max-new-tokens", "5", "--json"];
    let run = dir.run(&args).expect(0);
    assert_eq!(run.json()["cut_off_segments"], 1);
    assert_eq!(run.json()["tokens"], 5);
    assert!(run.stderr.contains("warning: 1 of 1 segment cut off"), "{}", run.stderr);
}

#[test]
fn sampling_is_seeded() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let of = |options: &[&str]| {
        dir.run(&[&["decompress", "-q", "in.c3"], options].concat()).expect(0).stdout
    };
    let hot = ["--temperature", "3", "--seed", "1"];
    assert_eq!(of(&hot), of(&hot));
    assert_ne!(of(&hot), of(&["--temperature", "3", "--seed", "2"]));
    assert_ne!(of(&hot), of(&[]));
    assert_eq!(of(&["--temperature", "0"]), of(&[]));
    // Of the smallest set of tokens, only the likeliest is left.
    assert_eq!(of(&["--top-p", "0.000001"]), of(&[]));
}

#[test]
fn repeated_ngrams_can_be_banned() {
    let dir = Dir::new();
    let text = "one two three four five six seven eight. ".repeat(5);
    dir.compressed("in.c3", &text);
    let of = |options: &[&str]| {
        dir.run(&[&["decompress", "-q", "in.c3"], options].concat()).expect(0).text()
    };
    let banned = of(&["--no-repeat-ngram", "2"]);
    assert_ne!(banned, of(&[]));
    assert!(banned.matches(" two three").count() < text.matches(" two three").count());
}

#[test]
fn another_question_gets_an_answer_that_is_not_compared() {
    let dir = Dir::new();
    dir.compressed("in.c3", TEXT);
    let args = ["decompress", "in.c3", "-o", "out.txt", "--question", "Who? ", "--json"];
    let run = dir.run(&args).expect(0);
    assert!(run.json().get("exact_segments").is_none());
    assert!(!run.stderr.contains("exactly"), "{}", run.stderr);
    assert_ne!(dir.read("out.txt"), dir.run(&["decompress", "-q", "in.c3"]).expect(0).stdout);
}
