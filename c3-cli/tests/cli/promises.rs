//! Files that promise what they don't keep, and files that others checked.

use c3_core::{Correction, Fidelity, Segment};
use serde_json::json;

use crate::checkpoints;
use crate::exact::other_decoder;
use crate::support::{Dir, letters, sentences};

/// Puts another token where the text begins.
fn spoil(segment: &mut Segment) {
    let Fidelity::Exact { corrections, .. } = &mut segment.fidelity else { panic!() };
    corrections.retain(|correction| correction.position > 0);
    corrections.insert(0, Correction { position: 0, token: 1 });
}

#[test]
fn every_broken_promise_is_counted() {
    let dir = Dir::new();
    dir.write("in.txt", sentences(100, " "));
    dir.run(&["compress", "-q", "--exact", "in.txt", "-o", "a.c3"]).expect(0);
    let mut count = 0;
    dir.change("a.c3", |segments, _| {
        count = segments.len();
        assert!(count > 3);
        spoil(&mut segments[1]);
        spoil(&mut segments[3]);
    });
    for options in [
        &[][..],
        &["--batch", "1"],
        &["--batch", "2"],
        &["--against", "in.txt"],
        &["--against", "in.txt", "--batch", "1"],
    ] {
        let run = dir.run(&[&["verify", "a.c3", "--json"], options].concat()).expect(1);
        let found = run.json();
        for (key, expected) in [
            ("segments", count),
            ("exact", count - 2),
            ("differing", 2),
            ("broken_promises", 2),
            ("not_as_foretold", 0),
            ("other_text", 0),
        ] {
            assert_eq!(found[key], expected, "{options:?}: {found}");
        }
        let said = dir.run(&[&["verify", "a.c3"], options].concat()).expect(1).text();
        assert!(said.contains("2 promises not kept, 0 segments not as foretold"), "{said}");
        let wrong = found["found"].as_array().unwrap();
        assert_eq!(wrong.len(), 2);
        for (wrong, number) in wrong.iter().zip([1, 3]) {
            assert_eq!(
                (&wrong["segment"], &wrong["what"]),
                (&json!(number), &json!("broken_promise"))
            );
            let info =
                &dir.run(&["inspect", "a.c3", "--json"]).expect(0).json()["segments"][number];
            assert_eq!(wrong["bytes"], info["bytes"]);
            let line =
                said.lines().find(|line| line.starts_with(&format!("segment {number} (bytes ")));
            assert!(line.expect(&said).ends_with("): promised, but differs"), "{said}");
        }
    }
    // Nothing is left of what fails; the others come back.
    let run = dir.run(&["decompress", "a.c3", "-o", "out.txt"]).expect(2);
    assert!(run.stderr.contains("segment 1 (bytes "), "{}", run.stderr);
    assert!(run.stderr.contains("hint: decode with the model, "), "{}", run.stderr);
    let run = dir.run(&["decompress", "a.c3", "-o", "out.txt", "--any-model"]).expect(2);
    assert!(run.stderr.contains("was stored as exact, but"), "{}", run.stderr);
    assert_eq!(dir.names(), ["a.c3", "in.txt"]);
    dir.run(&["decompress", "a.c3", "--strict", "--segment", "2"]).expect(0);
    // Whoever doesn't ask for what was promised gets something else.
    dir.run(&["decompress", "a.c3", "-o", "out.txt", "--max-new-tokens", "9"]).expect(0);
}

#[test]
fn the_hash_of_the_whole_text_is_checked() {
    let dir = Dir::new();
    dir.write("in.txt", sentences(30, "\r\n"));
    dir.run(&["compress", "-q", "--exact", "in.txt", "-o", "a.c3"]).expect(0);
    assert_eq!(dir.run(&["verify", "a.c3", "--json"]).expect(0).json()["same_source"], true);
    dir.change("a.c3", |_, source| source.sha256.0[31] ^= 1);
    dir.run(&["decompress", "a.c3", "-o", "out.txt"])
        .fails("error: the text differs from its source, though each segment's hash is right");
    assert_eq!(dir.names(), ["a.c3", "in.txt"]);
    dir.run(&["decompress", "a.c3", "--segment", "0", "--strict"]).expect(0);
    let found = dir.run(&["verify", "a.c3", "--json"]).expect(1).json();
    assert_eq!((&found["same_source"], &found["differing"]), (&false.into(), &0.into()));
    let said = dir.run(&["verify", "a.c3"]).expect(1).text();
    assert!(said.contains("another than that of the source"), "{said}");
    let found = dir.run(&["verify", "a.c3", "--against", "in.txt", "--json"]).expect(1).json();
    assert_eq!((&found["same_text"], &found["other_text"]), (&false.into(), &0.into()));
}

/// All that differs is in the summary, the first of it in the warning.
#[test]
fn what_differs_is_named_with_what_was_foretold() {
    let dir = Dir::new();
    dir.pipe(&["compress", "-q", "-r", "32", "-o", "in.c3"], letters(4000).as_bytes()).expect(0);
    let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
    let segments = facts["segments"].as_array().unwrap();
    let count = segments.len();
    assert!(count > 6 && facts["fidelity"]["differing"] == count);
    let run = dir.run(&["decompress", "in.c3", "-o", "out.txt", "--json"]).expect(0);
    let expected: Vec<_> = segments
        .iter()
        .enumerate()
        .map(|(number, segment)| {
            json!({
                "segment": number,
                "bytes": segment["bytes"],
                "foretold_mismatches": segment["fidelity"]["mismatches"],
                "first": segment["fidelity"]["first"],
            })
        })
        .collect();
    let summary = run.json();
    assert_eq!(summary["differing"], json!(expected));
    assert_eq!(summary["foretold_mismatches"], facts["fidelity"]["mismatches"]);
    let warning = run.stderr.replace(',', "");
    let named: Vec<String> = expected[..5]
        .iter()
        .map(|of| {
            let (start, end) = (&of["bytes"][0], &of["bytes"][1]);
            let (tokens, first) = (&of["foretold_mismatches"], &of["first"]);
            let noun = if tokens == 1 { "token" } else { "tokens" };
            format!(
                "{} (bytes {start}..{end} {tokens} {noun} from token {first} on)",
                of["segment"]
            )
        })
        .collect();
    let total = &facts["fidelity"]["mismatches"];
    assert_eq!(
        warning.lines().next().unwrap(),
        format!(
            "warning: {count} of {count} segments did not come back exactly {total} tokens as foretold: {} and {} more",
            named.join(" "),
            count - 5
        )
    );

    // Nothing was foretold of other ways to decode.
    for options in [
        &["--temperature", "1.5", "--seed", "1"][..],
        &["--no-repeat-ngram", "2"],
        &["--max-new-tokens", "20"],
    ] {
        let args = [&["decompress", "in.c3", "-f", "-o", "out.txt", "--json"], options].concat();
        let run = dir.run(&args).expect(0);
        assert!(run.stderr.contains("did not come back exactly: 0 (bytes 0.."), "{}", run.stderr);
        assert!(!run.stderr.contains("foretold"), "{}", run.stderr);
        let summary = run.json();
        assert_eq!(summary["foretold_mismatches"], 0);
        assert_eq!(summary["differing"][0]["foretold_mismatches"], json!(null));
    }
    // Foretold to come back, but it doesn't.
    let sound = Fidelity::Checked { mismatches: 0, first: None, near_ties: Some(0) };
    dir.change("in.c3", |segments, _| segments[2].fidelity = sound);
    let run = dir.run(&["decompress", "in.c3", "-f", "-o", "out.txt"]).expect(0);
    assert!(run.stderr.contains("1 of them were foretold to come back: "), "{}", run.stderr);
    for options in [&[][..], &["--against", "text.txt"]] {
        dir.write("text.txt", letters(4000));
        let run = dir.run(&[&["verify", "in.c3", "--json"], options].concat()).expect(1);
        assert_eq!(run.json()["not_as_foretold"], 1, "{}", run.text());
        let found = run.json()["found"].as_array().unwrap().clone();
        let other = found.iter().filter(|found| found["what"] == "not_as_foretold");
        assert_eq!(other.map(|found| &found["segment"]).collect::<Vec<_>>(), [2]);
        assert_eq!(found.len(), count);
        assert!(run.json().get("same_source").is_none());
    }
}

#[test]
fn other_models_are_refused_everywhere_and_can_be_overruled() {
    let dir = Dir::new();
    other_decoder(&dir, "decoder");
    checkpoints::other(&dir, "encoder");
    dir.write("in.txt", letters(1200));
    dir.run(&["compress", "-q", "--exact", "-r", "8", "in.txt", "-o", "exact.c3"]).expect(0);
    dir.run(&["compress", "-q", "-r", "32", "in.txt", "-o", "checked.c3"]).expect(0);
    let commands = |file: &'static str| {
        [
            vec!["decompress", file, "-f", "-o", "out.txt"],
            vec!["verify", file],
            vec!["verify", file, "--against", "in.txt"],
            vec!["grep", "a", file],
        ]
    };
    for (file, model, why) in [
        ("exact.c3", "decoder", "was made exact for a decoder of fingerprint "),
        ("exact.c3", "encoder", "these latents were made by "),
        ("checked.c3", "encoder", "these latents were made by "),
    ] {
        for command in commands(file) {
            let args = [&command[..], &["--model", model]].concat();
            let run = dir.run(&args).expect(2);
            assert!(run.stderr.contains(why), "{args:?}: {}", run.stderr);
            assert!(run.stderr.contains("--any-model decodes all the same"), "{}", run.stderr);
            let run = dir.run(&[&args[..], &["--any-model"]].concat());
            assert!(!run.stderr.contains(why), "{args:?}: {}", run.stderr);
            let broken = run.stderr.contains("was stored as exact, but");
            assert!(run.code == Some(0) || run.code == Some(1) || broken, "{}", run.stderr);
        }
    }
    // What another decoder found out is not what this one does.
    for command in commands("checked.c3") {
        let run = dir.run(&[&command[..], &["--model", "decoder"]].concat());
        assert!(
            run.stderr.contains(" was asked what will come back, not this one"),
            "{command:?}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("as foretold"), "{}", run.stderr);
    }
    let run = dir.pipe(&["append", "checked.c3", "--model", "decoder"], b"More.").expect(2);
    assert!(run.stderr.contains("was checked with a decoder of fingerprint "), "{}", run.stderr);
}

/// A file says how the weights were kept that it was verified with, and whoever keeps them otherwise
/// learns of it when something goes wrong.
#[test]
fn weights_kept_otherwise_are_named_as_the_reason() {
    let dir = Dir::new();
    dir.write("in.txt", letters(1500));
    let args = ["compress", "-q", "--exact", "-r", "32", "in.txt", "-o", "a.c3"];
    dir.run(&[&args[..], &["--margin", "0"]].concat()).expect(0);
    let with = "dtype auto, activations bf16, on cpu";
    assert_eq!(dir.run(&["inspect", "a.c3", "--json"]).expect(0).json()["verified_with"], with);
    assert!(dir.run(&["inspect", "a.c3"]).expect(0).text().contains(with));
    // Four bits are far from what was verified.
    for args in [&["decompress", "a.c3", "-o", "out.txt"][..], &["grep", "a", "a.c3"]] {
        let run = dir.run(&[args, &["--quantize", "q4_0"]].concat()).expect(2);
        let said = format!(
            "it was verified with {with}, and this is dtype q4_0, activations bf16, on cpu"
        );
        assert!(run.stderr.contains("was stored as exact, but"), "{}", run.stderr);
        assert!(run.stderr.trim_end().ends_with(&said), "{}", run.stderr);
        assert_eq!(run.stderr.matches("hint:").count(), 1, "{}", run.stderr);
    }
    dir.pipe(&["append", "a.c3", "-q", "--exact", "--quantize", "q4_0"], b"More of it.").expect(0);
    let facts = dir.run(&["inspect", "a.c3", "--json"]).expect(0).json();
    assert_eq!(
        facts["verified_with"],
        format!("{with}; then dtype q4_0, activations bf16, on cpu")
    );
}
