//! What `doctor` predicts is what commands take; `--max-memory` is kept.

use serde_json::Value;

use crate::support::{Dir, TEXT};

/// A prediction may be off by so much.
const TOLERANCE: f64 = 0.1;

/// English prose of a length: segments of all lengths.
fn text(bytes: usize) -> String {
    let samples =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/samples/en-prose.jsonl");
    let lines = std::fs::read_to_string(samples).unwrap();
    let texts = lines.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_owned()
    });
    let mut text = texts.collect::<Vec<_>>().join("\n\n");
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn bytes(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Linux tells what a process took; elsewhere there is nothing to compare with. Texts are of many
/// batches, for which predictions are made: the allocator takes more with each of the first. They
/// come back about as long as they were, which at 32× they don't: the model then takes less. Batches
/// are small enough at 4×: of 64 prompts, or 32 texts, the buffers pass 32 MB, and the allocator gives such
/// back or not from one run to the next, up to a fifth of the whole.
#[test]
fn predictions_are_within_a_tenth_of_what_is_taken() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: this system doesn't say what a process took");
        return;
    }
    let dir = Dir::new();
    dir.write("long.txt", text(110_000));
    dir.write("short.txt", text(40_000));
    let mut wrong = Vec::new();
    let mut compare = |command: &[&str], ratio: &[&str], options: &[&str], text: &str| {
        let run = |args: &[&[&str]]| dir.run(&args.concat()).expect(0).json();
        let needs = run(&[&["doctor", "--json", "--text", text], ratio, options]);
        let taken = match command[0] {
            // The ratio is in the file.
            "decompress" => run(&[command, options]),
            _ => run(&[command, ratio, options]),
        };
        let predicted = bytes(&needs["memory"][command[0]]["peak_bytes"]);
        let taken = bytes(&taken["peak_memory_bytes"]);
        let error = 100.0 * (predicted / taken - 1.0);
        let line =
            format!("{command:?} {ratio:?} {options:?}: {predicted} for {taken}, {error:+.1}%");
        println!("{line}");
        if error.abs() > 100.0 * TOLERANCE {
            wrong.push(line);
        }
    };
    let compress = ["compress", "long.txt", "-f", "-o", "out.c3", "--json"];
    for (ratio, options, segments) in [
        (&[][..], &["--batch", "1"][..], "0..3"),
        (&[], &["--batch", "8", "--dtype", "stored"], "0..16"),
        (&["--ratio", "4"], &["--batch", "16", "--threads", "1"], "0..64"),
        (&[], &["--batch", "20", "--dtype", "bf16"], "0..40"),
    ] {
        compare(&compress, ratio, options, "110000");
        let decompress = ["decompress", "out.c3", "-f", "-o", "o.txt", "--json", "--segment"];
        compare(&[&decompress[..], &[segments]].concat(), ratio, options, "110000");
    }
    let roundtrip = ["roundtrip", "short.txt", "--json"];
    compare(&roundtrip, &[], &["--batch", "2"], "40000");
    compare(&roundtrip, &["--ratio", "4"], &["--dtype", "stored"], "40000");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A budget holds all of the text and its latents from every bank: of a text like this no machine does.
#[test]
fn a_budget_counts_the_text() {
    let dir = Dir::new();
    let sparse = std::fs::File::create(dir.path("in.txt")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let run = dir.run(&["compress", "in.txt", "-o", "out.c3", "--budget", "100000"]).expect(2);
    assert!(run.stderr.starts_with("error: this needs at least "), "{}", run.stderr);
    assert_eq!(dir.names(), ["in.txt"]);
}

#[test]
fn without_a_check_no_decoder_is_counted() {
    let dir = Dir::new();
    let weights = |options: &[&str]| {
        let needs = dir.run(&[&["doctor", "--json"], options].concat()).expect(0).json();
        bytes(&needs["memory"]["compress"]["weight_bytes"])
    };
    assert!(weights(&["--fast"]) < 0.7 * weights(&[]));
}

#[test]
fn a_limit_is_kept_by_smaller_batches_and_then_by_smaller_weights() {
    let dir = Dir::new();
    dir.write("in.txt", text(24_000));
    let args = ["roundtrip", "-v", "in.txt", "--json", "--max-memory"];
    let chosen = |limit: &str| dir.run(&[&args[..], &[limit]].concat()).expect(0);
    let (wide, narrow) = (chosen("1G"), chosen("120M"));
    assert!(wide.stderr.contains("dtype auto, batches 16 and 64"), "{}", wide.stderr);
    assert!(narrow.stderr.contains("dtype auto, batches "), "{}", narrow.stderr);
    assert!(!narrow.stderr.contains("batches 16 and 64"), "{}", narrow.stderr);
    // The same text comes back, whatever the batch.
    assert_eq!(wide.json()["char_similarity"], narrow.json()["char_similarity"]);
    if let Some(peak) = narrow.json()["peak_memory_bytes"].as_f64() {
        assert!(peak <= 120.0 * 1024.0 * 1024.0 * (1.0 + TOLERANCE), "{peak}");
    }

    // Below what one segment takes in f32: the weights are kept in bf16.
    let needs = dir.run(&["doctor", "--json", "--batch", "1", "--text", "24000"]).expect(0).json();
    let roundtrip = &needs["memory"]["roundtrip"];
    let limit = bytes(&roundtrip["peak_bytes"]) - bytes(&roundtrip["weight_bytes"]) / 4.0;
    let stored = chosen(&(limit as u64).to_string());
    assert!(stored.stderr.contains("dtype bf16, batches "), "{}", stored.stderr);
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT);
    dir.compressed("in.c3", TEXT);
    for args in [
        &["compress", "in.txt", "-o", "out.c3", "--max-memory", "10M"][..],
        &["roundtrip", "in.txt", "--max-memory", "10M", "--dtype", "bf16"],
        &["decompress", "in.c3", "-o", "out.txt", "--max-memory", "10M"],
    ] {
        let run = dir.run(args).expect(2);
        assert!(run.stdout.is_empty());
        let kept = if args.contains(&"bf16") { "--dtype bf16" } else { "--quantize q8_0" };
        for said in [
            "error: this needs at least ",
            &format!(" MiB at {kept} --batch 1, but --max-memory is 10.00 MiB: "),
            "hint: `c3 doctor",
        ] {
            assert!(run.stderr.contains(said), "{}", run.stderr);
        }
    }
    let run = dir.run(&["doctor", "--max-memory", "10M"]).expect(1);
    assert!(run.text().contains("problem: roundtrip: this needs at least "), "{}", run.text());
    assert!(!dir.names().contains(&"out.c3".to_owned()));
}

/// The length of stdin isn't known, so as many segments may come.
#[cfg(target_os = "linux")]
#[test]
fn a_batch_that_no_machine_holds_is_refused() {
    let dir = Dir::new();
    for batch in ["1000000000", &usize::MAX.to_string()] {
        let args = ["compress", "-o", "out.c3", "--batch", batch];
        let run = dir.pipe(&args, TEXT.as_bytes()).expect(2);
        assert!(
            run.stderr.contains(&format!("--batch {batch}, but this machine has ")),
            "{}",
            run.stderr
        );
        assert!(dir.names().is_empty());
    }
    // A text that is known to be short is no reason to refuse.
    dir.write("in.txt", TEXT);
    dir.run(&["compress", "in.txt", "-o", "out.c3", "--batch", "1000000000"]).expect(0);
    dir.run(&["decompress", "out.c3", "--batch", "1000000000"]).expect(0);
}

#[test]
fn doctor_shows_what_models_need() {
    let dir = Dir::new();
    let table = dir.run(&["doctor", "--batch", "3"]).expect(0).text();
    assert!(table.contains("memory with     c3-tiny"), "{table}");
    for (command, batch) in [
        ("compress", "3 segments"),
        ("decompress", "3 segments"),
        ("roundtrip", "3 and 3 segments"),
    ] {
        let line = table.lines().find(|line| line.starts_with(command)).unwrap();
        assert!(line.contains("about ") && line.contains(batch), "{line}");
    }
    dir.run(&["doctor", "--model", "./nowhere"]).expect(2);
    dir.run(&["doctor", "--ratio", "7"]).expect(2);
}
