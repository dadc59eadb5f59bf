use crate::support::{Dir, TEXT};

/// A corpus of a few passages.
fn corpus(dir: &Dir, name: &str) {
    let texts =
        TEXT.split_inclusive(", ").map(|text| serde_json::json!({ "text": text }).to_string());
    dir.write(name, texts.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_sweep_is_resumed_and_printed_in_three_ways() {
    let dir = Dir::new();
    corpus(&dir, "texts.jsonl");
    let args = ["eval", "sweep", "texts.jsonl", "-r", "4,8", "-o", "r.jsonl"];
    let table = dir.run(&args).expect(0).text();
    assert!(table.lines().next().unwrap().contains("char similarity"), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    let bytes = dir.read("r.jsonl");

    // Killed while a line was written, and started again with another command line.
    dir.write("r.jsonl", &bytes[..bytes.len() - 100]);
    let run = dir.run(&["eval", "sweep", "texts.jsonl", "-r", "4,8", "-o", "r.jsonl", "--json"]);
    let run = run.expect(0);
    assert!(run.stderr.contains("going on after "), "{}", run.stderr);
    assert_eq!(dir.read("r.jsonl"), bytes);
    let json = run.json();
    assert_eq!(json["header"]["command"], "c3 eval sweep texts.jsonl -r 4,8 -o r.jsonl");
    let row = &json["rows"][0];
    assert_eq!(
        (&row["corpus"], &row["ratio"], &row["window"]),
        (&"texts".into(), &4.into(), &"within".into())
    );
    let similarity = &row["metrics"]["char_similarity"];
    let of = |key: &str| similarity[key].as_f64().unwrap();
    assert!(of("low") <= of("mean") && of("mean") <= of("high") && of("mean") > 0.5, "{row}");

    let csv = dir.run(&["eval", "sweep", "texts.jsonl", "-r", "4,8", "-o", "r.jsonl", "--csv"]);
    let csv = csv.expect(0).text();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    for name in ["char_similarity", "error_0", "error_19", "error_at_end_less_beginning"] {
        let column = lines[0].iter().position(|column| *column == name).expect(name);
        assert_eq!(
            lines[0][column + 1..column + 3],
            [format!("{name}_low"), format!("{name}_high")]
        );
        let of = |place: usize| lines[1][column + place].parse::<f64>().unwrap();
        assert!(of(1) <= of(0) && of(0) <= of(2), "{name}: {csv}");
    }
    let column = lines[0].iter().position(|name| *name == "char_similarity").unwrap();
    // serde_json reads numbers to within their last bit.
    assert!((lines[1][column].parse::<f64>().unwrap() - of("mean")).abs() < 1e-12);

    let other = dir.run(&["eval", "sweep", "texts.jsonl", "-r", "16", "-o", "r.jsonl"]).expect(2);
    assert!(other.stderr.contains("its ratios is 4×, 8×, this run's is 16×"), "{}", other.stderr);
    assert!(other.stderr.contains("hint: name another file with -o, or start anew with -f"));
    dir.run(&["eval", "sweep", "texts.jsonl", "-r", "16", "-o", "r.jsonl", "-f"]).expect(0);
    assert_ne!(dir.read("r.jsonl"), bytes);
}

#[test]
fn every_experiment_makes_results_for_the_report() {
    let dir = Dir::new();
    corpus(&dir, "texts.jsonl");
    dir.write("other.txt", TEXT);
    let page = serde_json::json!([
        { "image": "en_1.png", "conversations": [{ "value": "OCR" }, { "value": TEXT.repeat(9) }] }
    ]);
    dir.write("fox/en_page_ocr.json", page.to_string());
    for (experiment, args) in [
        ("sweep", &["texts.jsonl", "-n", "3", "-r", "8"][..]),
        ("position", &["texts.jsonl", "-n", "3", "-r", "8", "--shards", "1"]),
        ("unguessable", &["texts.jsonl", "-n", "2", "-r", "8", "--kinds", "digits,table"]),
        ("ood", &["texts.jsonl", "-n", "2", "-r", "8", "--ood", "other.txt"]),
        ("baselines", &["texts.jsonl", "-n", "2", "-r", "8", "--compressors", "c3,truncation"]),
        ("fox", &["--root", "fox", "-r", "8"]),
        ("cost", &["-r", "8", "--tokens", "16", "--repetitions", "1"]),
    ] {
        let out = format!("{experiment}.jsonl");
        let args = [&["eval", experiment][..], args, &["-o", &out]].concat();
        let printed = dir.run(&args).expect(0).text();
        assert!(printed.lines().count() >= 2, "{experiment}: {printed}");
        if experiment == "fox" {
            assert!(
                printed.contains("fox-en, ") && printed.contains(" tokens, longer than the window")
            );
            assert!(printed.contains("1 result longer than the model's window of 256 tokens"));
        }
    }
    let report = ["eval", "report", "sweep.jsonl", "cost.jsonl", "ood.jsonl", "-o", "r.html"];
    dir.run(&[&report[..], &["--figures", "figures"]].concat()).expect(0);
    let page = String::from_utf8(dir.read("r.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("c3 eval cost -r 8 --tokens 16"));
    let svg = String::from_utf8(dir.read("figures/ratio.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme: dark"));
    dir.run(&report).expect(2);

    for of in ["similarity", "card", "metrics", "position", "decline", "gap"] {
        let table = dir.run(&["eval", "table", "ood.jsonl", "--of", of]).expect(0).text();
        assert!(table.starts_with("| text |"), "{of}: {table}");
    }
    dir.write("doc.md", "# Doc\n<!-- t -->\n<!-- /t -->\nend\n");
    let into = ["eval", "table", "cost.jsonl", "--of", "cost", "--into", "doc.md", "--mark", "t"];
    dir.run(&into).expect(0);
    let text = String::from_utf8(dir.read("doc.md")).unwrap();
    assert!(
        text.contains("<!-- t -->\n| ratio |") && text.ends_with("<!-- /t -->\nend\n"),
        "{text}"
    );
}

#[test]
fn bad_input_is_named() {
    let dir = Dir::new();
    let said = |args: &[&str], what: &str| {
        let run = dir.run(args).expect(2);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(what), "{}", run.stderr);
    };
    said(&["eval", "sweep", "none.jsonl"], "can't read none.jsonl");
    dir.write("empty/readme.bin", "");
    said(
        &["eval", "sweep", "empty"],
        "empty (.txt, .md and .jsonl files in it) has no text to evaluate",
    );
    dir.write("latin.txt", b"caf\xe9");
    said(&["eval", "sweep", "latin.txt"], "latin.txt is not UTF-8: invalid byte at offset 3");
    dir.write("bad.jsonl", "{\"id\": 1}\n");
    said(
        &["eval", "sweep", "bad.jsonl"],
        "bad.jsonl, line 1: expected an object with a string `text`",
    );
    dir.write(
        "fox/cn_page_ocr.json",
        r#"[{"image": "cn_9.png", "conversations": [{"value": "x"}]}]"#,
    );
    said(
        &["eval", "fox", "--root", "fox", "--pages", "cn"],
        "annotation 0 (cn_9.png): expected the page's text",
    );
    said(&["eval", "fox", "--root", "fox"], "can't read fox/en_page_ocr.json");
    dir.write("a.txt", TEXT);
    said(&["eval", "sweep", "a.txt", "a.txt"], "two corpora are called a");
    said(&["eval", "sweep", "a.txt", "-r", "5"], "no query bank compresses 5×");
    said(
        &["eval", "sweep", "a.txt", "--passages", "900..1000"],
        "a (900 tokens or more) has no text",
    );
    said(&["eval", "sweep", "a.txt", "--passages", "9..1"], "expected A..B tokens");
    said(&["eval", "cost", "--tokens", "257"], "expected 1 to 256 tokens");
    dir.write("old.jsonl", "{\"c3_eval\":0,\"experiment\":\"sweep\"}\n");
    said(&["eval", "report", "old.jsonl"], "is not a result file of version 2: it says version 0");
    said(&["eval", "sweep", "a.txt", "-o", "old.jsonl"], "it says version 0");
    said(&["eval", "table", "a.txt"], "is not a result file of version 2");
    dir.write("doc.md", "nothing\n");
    dir.run(&["eval", "sweep", "a.txt", "-r", "8", "-o", "r.jsonl"]).expect(0);
    said(
        &["eval", "table", "r.jsonl", "--into", "doc.md", "--mark", "t"],
        "doc.md has no lines <!-- t --> and <!-- /t -->",
    );
    assert_eq!(dir.read("doc.md"), b"nothing\n");
}

#[test]
fn a_bench_combines_its_lists() {
    let dir = Dir::new();
    let args = ["bench", "-s", "encode,decode", "-r", "8,16", "-t", "16,24", "--batch", "1,2"];
    let args = [&args[..], &["--repetitions", "2", "--thread-counts", "1"]].concat();
    let table = dir.run(&args).expect(0).text();
    // Under them a blank line, and which model was measured on which machine.
    assert_eq!(table.lines().count(), 2 + 2 * 2 * 2 * 2 + 2, "{table}");
    assert!(table.lines().last().unwrap().contains(" with c3 "), "{table}");
    assert!(table.contains(" ± "));
    let json = dir.run(&["bench", "-r", "8", "-t", "16", "-o", "json"]).expect(0).json();
    let load = &json["loads"][0];
    assert_eq!(load["stages"].as_array().unwrap().len(), 4);
    assert_eq!(load["stages"][0][0], "encode");
    assert_eq!(load["stages"][0][1]["repetitions"], 5);
    // Two latents and two markers are read for sixteen tokens.
    assert_eq!((&load["positions"], &load["stages"][1][1]["tokens"]), (&4.into(), &4.into()));
    let csv =
        dir.run(&["bench", "-r", "8", "-t", "16", "-s", "verify", "-o", "csv"]).expect(0).text();
    assert!(csv.starts_with("ratio,tokens,batch,threads,stage,") && csv.contains("\n8,16,1,"));
    assert!(
        csv.lines().all(|line| line.matches(',').count() >= 22) && csv.contains(",cpu\n"),
        "{csv}"
    );
    assert!(dir.run(&["bench", "-t", "300"]).expect(2).stderr.contains("1 to 256 tokens"));
}
