//! `--exact`, `--check` and `--fast`: what is promised, and what is known.

use c3_core::Fidelity;

use crate::checkpoints;
use crate::support::{Dir, Run, TEXT, letters};

/// Text with everything that a tokenizer or a decoder could lose.
fn bytes() -> Vec<u8> {
    let mut bytes = TEXT.replace('\n', "\r\n").into_bytes();
    bytes.extend("\tTabs, trailing blanks  \n cafe\u{301} \u{4e00}\n".as_bytes());
    bytes.extend([0xff, 0xfe, b'a', 0xe4, 0xbd]);
    bytes
}

#[test]
fn every_byte_comes_back() {
    let dir = Dir::new();
    let text = bytes();
    dir.write("in.txt", &text);
    for ratio in ["4", "32"] {
        let args = ["compress", "in.txt", "--exact", "-f", "-o", "out.c3", "--json", "-r", ratio];
        let run = dir.run(&args).expect(0);
        assert!(run.stderr.contains("every byte will come back"), "{}", run.stderr);
        let summary = run.json();
        assert_eq!(summary["fidelity"]["promised"], true);
        assert_eq!(summary["text_bytes"], text.len());
        let args = ["decompress", "out.c3", "-f", "-o", "out.txt", "--strict", "--json"];
        let run = dir.run(&args).expect(0);
        assert!(dir.read("out.txt") == text, "at {ratio}×");
        assert_eq!((run.stderr.as_str(), &run.json()["foretold_mismatches"]), ("", &0.into()));
        assert!(
            dir.run(&["decompress", "-q", "out.c3", "--threads", "1"]).expect(0).stdout == text
        );
        assert!(dir.run(&["decompress", "-q", "out.c3", "--batch", "1"]).expect(0).stdout == text);

        // Corrections are counted as what they are: positions.
        let facts = dir.run(&["inspect", "out.c3", "--json"]).expect(0).json();
        let number = |key: &str| facts[key].as_f64().unwrap();
        let positions = number("latent_positions") + number("corrections") + number("patch_bytes");
        let ratio = number("text_tokens") / (positions + number("verbatim_tokens"));
        // The last bit is lost where JSON is read.
        let told = [number("token_ratio"), summary["token_ratio"].as_f64().unwrap()];
        assert!(told.iter().all(|told| (told - ratio).abs() < 1e-12), "{told:?}, {ratio}");
    }
    let corrected = dir.run(&["inspect", "-v", "out.c3"]).expect(0).text();
    assert!(corrected.contains("exact: ") && corrected.contains("correction"), "{corrected}");
}

#[test]
fn other_ways_to_ask_are_answered_without_a_promise() {
    let dir = Dir::new();
    let args = ["compress", "-q", "--exact", "-r", "16", "-o", "in.c3"];
    dir.pipe(&args, TEXT.repeat(3).as_bytes()).expect(0);
    for options in [&["--temperature", "2", "--seed", "1"][..], &["--max-new-tokens", "5"]] {
        let run = dir.run(&[&["decompress", "in.c3", "-f", "-o", "out.txt"], options].concat());
        let run = run.expect(0);
        assert!(run.stderr.contains("did not come back exactly"), "{}", run.stderr);
    }
    // Text that is kept has no latents to ask.
    dir.pipe(&["compress", "-q", "--exact", "-f", "-o", "in.c3"], b"Hi.").expect(0);
    let asked = dir.run(&["decompress", "in.c3", "--question", "Who? "]).expect(2);
    assert!(asked.stderr.contains("segment 0 is kept as text"), "{}", asked.stderr);
    assert_eq!(dir.run(&["decompress", "in.c3"]).expect(0).text(), "Hi.");
}

#[test]
fn what_is_known_is_shown_without_a_model() {
    let dir = Dir::new();
    let of = |level: &str| {
        let args = ["compress", "-f", "-r", "32", "-o", "in.c3", level];
        let said = dir.pipe(&args, letters(2000).as_bytes()).expect(0).stderr;
        let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
        (said, facts, dir.run(&["inspect", "in.c3"]).expect(0).text())
    };
    let (said, facts, text) = of("--check");
    assert!(said.contains("will differ, in "), "{said}");
    assert!(text.contains("foretold to differ, in "), "{text}");
    let (differing, mismatches) =
        (&facts["fidelity"]["differing"], &facts["fidelity"]["mismatches"]);
    assert_eq!(differing, &facts["segment_count"]);
    let of_segments = facts["segments"].as_array().unwrap().iter();
    let sum: u64 = of_segments.map(|s| s["fidelity"]["mismatches"].as_u64().unwrap()).sum();
    assert_eq!(mismatches, sum);
    assert!(facts["verified_by"].is_string());
    let (said, facts, text) = of("--fast");
    assert!(!said.contains("differ") && text.contains("unchecked"), "{said}{text}");
    assert!(facts["verified_by"].is_null());
    let (_, facts, text) = of("--exact");
    assert!(text.contains(" exact"), "{text}");
    assert_eq!(facts["fidelity"]["promised"], true);
}

/// With 16-bit weights sums are rough enough for tokens to tie nearly.
#[test]
fn near_ties_are_kept_in_the_file() {
    let dir = Dir::new();
    dir.write("in.txt", letters(2000));
    let args = ["compress", "in.txt", "-o", "in.c3", "-r", "32", "--dtype", "bf16", "--json"];
    let run = dir.run(&args).expect(0);
    let tied = run.json()["fidelity"]["near_ties"].as_u64().unwrap();
    assert!(tied > 0, "{}", run.text());
    let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
    assert_eq!(facts["fidelity"]["near_ties"], tied);
    let of_segments = facts["segments"].as_array().unwrap().iter();
    let sum: u64 = of_segments.map(|s| s["fidelity"]["near_ties"].as_u64().unwrap()).sum();
    assert_eq!(sum, tied);
    let said = dir.run(&["inspect", "-v", "in.c3"]).expect(0).text();
    assert!(said.contains(&format!(", {tied} near ties\n")), "{said}");
    // The same pass over the same text finds them again, whatever the order of its sums, or nearly.
    let args = ["verify", "in.c3", "--against", "in.txt", "--dtype", "bf16", "--json"];
    let again = Run::of(&mut dir.command(args)).json()["near_ties"].as_u64().unwrap();
    assert!(again.abs_diff(tied) <= 1 + tied / 10, "{again} {tied}");
    // Where nobody counted, nothing is said of them.
    dir.change("in.c3", |segments, _| {
        for segment in segments {
            if let Fidelity::Checked { near_ties, .. } = &mut segment.fidelity {
                *near_ties = None;
            }
        }
    });
    let facts = dir.run(&["inspect", "in.c3", "--json"]).expect(0).json();
    assert!(facts["segments"][0]["fidelity"]["near_ties"].is_null());
    let said = dir.run(&["inspect", "-v", "in.c3"]).expect(0).text();
    assert!(!said.contains("near tie"), "{said}");
}

#[test]
fn precision_corrections_and_budget_are_kept() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT.repeat(4) + &letters(1000));
    let of = |options: &[&str]| {
        let args = [&["compress", "in.txt", "-f", "-o", "out.c3", "--json"], options].concat();
        dir.run(&args).expect(0).json()
    };
    let precise = of(&["--min-precision", "0.99"]);
    let number = |summary: &serde_json::Value, key: &str| summary[key].as_f64().unwrap();
    let wrong = precise["fidelity"]["mismatches"].as_f64().unwrap();
    assert!(wrong <= 0.01 * number(&precise, "text_tokens"), "{precise}");
    assert!(precise["fidelity"]["banks"].is_object());
    let exact = of(&["--exact", "--max-corrections", "0.02"]);
    assert!(number(&exact, "corrections") <= 0.02 * number(&exact, "text_tokens"), "{exact}");
    assert!(dir.run(&["decompress", "-q", "out.c3"]).expect(0).stdout == dir.read("in.txt"));
    let (few, many) = (of(&["--budget", "50"]), of(&["--budget", "300"]));
    assert!(number(&few, "latent_positions") <= 50.0 && number(&many, "latent_positions") <= 300.0);
    assert!(many["fidelity"]["mismatches"].as_u64() < few["fidelity"]["mismatches"].as_u64());
    let refused = dir.run(&["compress", "in.txt", "-f", "-o", "out.c3", "--budget", "5"]).expect(2);
    assert!(refused.stderr.contains("a budget of 5 positions, but"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: --budget "), "{}", refused.stderr);
}

/// A decoder with other weights, but the same encoder.
pub fn other_decoder(dir: &Dir, name: &str) {
    checkpoints::copy(dir, name);
    let file = format!("{name}/model.safetensors");
    let mut bytes = dir.read(&file);
    let half = bytes.len() / 2;
    bytes[half | 1] ^= 0x40;
    dir.write(&file, bytes);
}

#[test]
fn another_decoder_is_refused_what_was_promised() {
    let dir = Dir::new();
    other_decoder(&dir, "other");
    dir.pipe(&["compress", "-q", "--exact", "-o", "exact.c3"], TEXT.as_bytes()).expect(0);
    dir.pipe(&["compress", "-q", "-o", "checked.c3"], TEXT.as_bytes()).expect(0);
    let run = dir.run(&["decompress", "exact.c3", "-o", "out.txt", "--model", "other"]).expect(2);
    assert!(run.stderr.contains("was made exact for a decoder of fingerprint "), "{}", run.stderr);
    assert!(!dir.names().contains(&"out.txt".to_owned()));
    // Overruled, it gives the text or an error.
    let args = ["decompress", "exact.c3", "-o", "out.txt", "--model", "other", "--any-model"];
    let run = dir.run(&args);
    match run.code {
        Some(0) => assert_eq!(dir.read("out.txt"), TEXT.as_bytes()),
        _ => {
            assert!(run.stderr.contains("was stored as exact, but"), "{}", run.stderr);
            assert!(!dir.names().contains(&"out.txt".to_owned()));
        }
    }
    dir.run(&["decompress", "checked.c3", "-o", "o.txt", "--model", "other"]).expect(0);
}

#[test]
fn some_bytes_alone() {
    let dir = Dir::new();
    let text = TEXT.repeat(6);
    dir.pipe(&["compress", "-q", "--exact", "-o", "in.c3"], text.as_bytes()).expect(0);
    for range in [0..10, 300..1500, 2000..2001, 0..text.len()] {
        let asked = format!("{}..{}", range.start, range.end);
        let run = dir.run(&["decompress", "in.c3", "--bytes", &asked]).expect(0);
        assert!(run.stdout == text.as_bytes()[range], "{asked}");
    }
    let beyond = format!("0..{}", text.len() + 1);
    dir.run(&["decompress", "in.c3", "--bytes", &beyond])
        .fails(&format!("error: bytes {beyond} were asked for, but the text has {}", text.len()));
}

/// Weights and products that are rounded, a batch and each segment alone.
#[test]
fn rounded_weights_keep_their_promises() {
    let dir = Dir::new();
    let text = TEXT.repeat(3) + &letters(600);
    dir.write("in.txt", &text);
    for options in [
        &["--dtype", "bf16"][..],
        &["--dtype", "bf16", "--activations", "f32"],
        &["--dtype", "f16"],
        &["--quantize", "q8_0"],
        &["--quantize", "q4_0"],
    ] {
        let args = [&["compress", "-q", "-f", "--exact", "in.txt", "-o", "in.c3"], options];
        dir.run(&args.concat()).expect(0);
        for batch in [&[][..], &["--batch", "1", "--threads", "1"]] {
            let args = [&["decompress", "--strict", "in.c3"], options, batch].concat();
            assert!(dir.run(&args).expect(0).stdout == text.as_bytes(), "{args:?}");
        }
        dir.run(&[&["verify", "in.c3", "--against", "in.txt"], options].concat()).expect(0);
    }
}

/// A wider margin corrects more; what it leaves is further from a tie.
#[test]
fn the_margin_is_the_users() {
    let dir = Dir::new();
    dir.write("in.txt", TEXT.repeat(3) + &letters(600));
    let corrections = |options: &[&str]| {
        let args =
            ["compress", "-q", "-f", "--exact", "-r", "8", "in.txt", "-o", "in.c3", "--json"];
        let summary = dir.run(&[&args, options].concat()).expect(0).json();
        dir.run(&["verify", "in.c3", "--against", "in.txt"]).expect(0);
        summary["corrections"].as_u64().unwrap()
    };
    let (none, some, more) = (
        corrections(&["--margin", "0"]),
        corrections(&["--margin", "1"]),
        corrections(&["--margin", "6"]),
    );
    assert!(none <= some && some < more, "{none} {some} {more}");
    assert!((none..=some).contains(&corrections(&[])));
    // Nothing is that certain.
    let args = ["compress", "-f", "--exact", "--margin", "1e9", "in.txt", "-o", "in.c3"];
    assert!(dir.run(&args).expect(0).stderr.contains("kept as text"));
    for wrong in [&["--margin", "1"][..], &["--exact", "--margin", "-1"]] {
        dir.run(&[&["compress", "in.txt", "-o", "no.c3"], wrong].concat()).expect(2);
    }
}
