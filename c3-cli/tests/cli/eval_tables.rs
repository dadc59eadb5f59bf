//! Tables of several result files.

use crate::support::{Dir, TEXT};

/// Some passages, the same in every folder.
fn corpus(dir: &Dir) {
    let texts =
        TEXT.split_inclusive(", ").map(|text| serde_json::json!({ "text": text }).to_string());
    dir.write("texts.jsonl", texts.collect::<Vec<_>>().join("\n"));
}

#[test]
fn several_files_are_one_table_and_nothing_counts_twice() {
    let dir = Dir::new();
    corpus(&dir);
    let few = ["texts.jsonl", "-n", "3", "-r", "8,32"];
    dir.run(&[&["eval", "sweep"], &few[..], &["-o", "a.jsonl"]].concat()).expect(0);
    let kinds = ["--kinds", "word_shuffle,digits", "-o", "b.jsonl"];
    dir.run(&[&["eval", "unguessable"], &few[..], &kinds].concat()).expect(0);
    dir.write("card.md", "<!-- c -->\n<!-- /c -->\n");
    let into = ["--of", "card", "--into", "card.md", "--mark", "c"];
    let both = ["eval", "table", "a.jsonl", "b.jsonl"];
    let run = dir.run(&[&both[..], &into].concat()).expect(0);
    assert_eq!(run.stderr, "");
    let card = String::from_utf8(dir.read("card.md")).unwrap();
    let rows: Vec<&str> = card.lines().collect();
    assert_eq!(rows[1], "| text | n | 8× | 32× |");
    let labels = ["| texts | 3 |", "| texts, word shuffle | 3 |", "| texts, digits | 3 |"];
    assert_eq!(rows.len(), 3 + labels.len() + 1, "{card}");
    for (row, label) in rows[3..].iter().zip(labels) {
        assert!(row.starts_with(label), "{row}");
    }
    let gap = dir.run(&[&both[..], &["--of", "gap"]].concat()).expect(0).text();
    assert_eq!(gap.lines().count(), 2 + 4, "{gap}");

    let twice = dir.run(&["eval", "table", "a.jsonl", "a.jsonl"]).expect(2);
    assert!(twice.stderr.contains("don't go into one table"), "{}", twice.stderr);
    // Another model's.
    let text = String::from_utf8(dir.read("b.jsonl")).unwrap();
    let at = text.find("\"fingerprint\":\"").unwrap() + 15;
    let end = at + text[at..].find('"').unwrap();
    dir.write("c.jsonl", [&text[..at], &"0".repeat(end - at), &text[end..]].concat());
    let other = dir.run(&["eval", "table", "a.jsonl", "c.jsonl"]).expect(2);
    assert!(other.stderr.contains("c.jsonl and a.jsonl don't go into one table: the models are"));
    // A page may have both: it says which section is whose.
    dir.run(&["eval", "report", "a.jsonl", "c.jsonl", "-o", "r.html"]).expect(0);
    let page = String::from_utf8(dir.read("r.html")).unwrap();
    assert_eq!(page.matches("<p class=\"quiet\">Model: ").count(), 2);
    assert!(page.contains("(000000000000…"));
}

#[test]
fn what_is_missing_or_of_another_sort_is_said() {
    let dir = Dir::new();
    corpus(&dir);
    dir.run(&["eval", "sweep", "texts.jsonl", "-n", "3", "-r", "8", "-o", "a.jsonl"]).expect(0);
    let whole = String::from_utf8(dir.read("a.jsonl")).unwrap();
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    dir.write("a.jsonl", &whole[..last]);
    let part = dir.run(&["eval", "table", "a.jsonl"]).expect(0);
    assert!(
        part.stderr.contains("a.jsonl is of a run that was stopped: the table is of what is there"),
        "{}",
        part.stderr
    );
    assert!(part.text().contains("| texts | 2 |"), "{}", part.text());

    let cost = ["eval", "cost", "-r", "8", "--tokens", "16", "--repetitions", "1"];
    dir.run(&[&cost[..], &["-o", "cost.jsonl"]].concat()).expect(0);
    let said = |args: &[&str], what: &str| {
        let run = dir.run(args).expect(2);
        assert!(run.stderr.contains(what), "{}", run.stderr);
    };
    said(
        &["eval", "table", "cost.jsonl", "--of", "card"],
        "cost.jsonl holds results of `c3 eval cost`: there is no table card of it",
    );
    said(
        &["eval", "table", "a.jsonl", "--of", "cost"],
        "a.jsonl holds results of `c3 eval sweep`: there is no table cost of it",
    );
    let table = dir.run(&["eval", "table", "cost.jsonl", "--of", "cost"]).expect(0).text();
    let last = table.lines().last().unwrap();
    assert!(last.contains(" with c3 ") && last.contains(" cores, "), "{last}");
    assert!(last.contains(", on cpu, ") && last.ends_with(" threads."), "{last}");
}

#[test]
fn memory_that_was_asked_for_is_kept_by_fewer_shards_and_smaller_batches() {
    let dir = Dir::new();
    corpus(&dir);
    let sweep = |more: &[&str]| {
        dir.run(&[&["eval", "sweep", "texts.jsonl", "-r", "8", "-v"], more].concat())
    };
    let little = sweep(&["--max-memory", "5M"]).expect(2);
    assert!(little.stderr.contains("--max-memory is 5"), "{}", little.stderr);
    let shards = sweep(&["--max-memory", "400M", "--shards", "1000"]).expect(2);
    assert!(shards.stderr.contains(" of 1000 shards"), "{}", shards.stderr);
    sweep(&["--max-memory", "120M", "-o", "r.jsonl"]).expect(0);
    let header = String::from_utf8(dir.read("r.jsonl")).unwrap();
    assert!(header.lines().next().unwrap().contains("\"batches\":{\"encode\":"), "{header}");
    let other = sweep(&["-o", "r.jsonl"]).expect(2);
    assert!(other.stderr.contains("its batches is "), "{}", other.stderr);
}

#[test]
fn pages_of_fox_are_binned_wherever_they_are_shown() {
    let dir = Dir::new();
    let page = |times: usize| {
        let text = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。".repeat(times);
        serde_json::json!({
            "image": format!("cn_{times}.png"),
            "conversations": [{ "value": "OCR" }, { "value": text }],
        })
    };
    dir.write("fox/cn_page_ocr.json", serde_json::json!([page(12), page(1), page(2)]).to_string());
    let fox = ["eval", "fox", "--root", "fox", "--pages", "cn", "-r", "8", "-o", "fox.jsonl"];
    let printed = dir.run(&fox).expect(0).text();
    let table = dir.run(&["eval", "table", "fox.jsonl", "--of", "card"]).expect(0).text();
    dir.run(&["eval", "report", "fox.jsonl", "-o", "fox.html"]).expect(0);
    let page = String::from_utf8(dir.read("fox.html")).unwrap();
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].starts_with("| fox-cn, 0–100 tokens | 2 |"), "{table}");
    assert!(rows[1].starts_with("| fox-cn, ") && rows[1].contains(" | 1 |"), "{table}");
    let later = rows[1].split(" | ").next().unwrap().trim_start_matches("| ");
    for shown in [&printed, &table, &page] {
        assert!(shown.contains("fox-cn, 0–100 tokens") && shown.contains(later), "{shown}");
    }
}

#[test]
fn differences_and_costs_are_for_scripts_too() {
    let dir = Dir::new();
    corpus(&dir);
    let args = ["eval", "unguessable", "texts.jsonl", "-n", "3", "-r", "8", "-o", "u.jsonl"];
    let args = [&args[..], &["--kinds", "random_letters,digits"]].concat();
    let json = dir.run(&[&args[..], &["--json"]].concat()).expect(0).json();
    let differences = json["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2);
    let first = &differences[0];
    assert_eq!(
        (&first["group"]["kind"], &first["paired"]),
        (&"random_letters".into(), &true.into())
    );
    let of = |key: &str| first["difference"][key].as_f64().unwrap();
    assert!(of("low") <= of("mean") && of("mean") <= of("high"), "{first}");
    let csv = dir.run(&[&args[..], &["--csv"]].concat()).expect(0).text();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    let column = lines[0].iter().position(|name| *name == "compared_with").unwrap();
    assert_eq!(lines[0][column + 1..], ["difference", "difference_low", "difference_high"]);
    assert_eq!((lines[1][column], lines[2][column]), ("", "texts"));
    assert!((lines[2][column + 1].parse::<f64>().unwrap() - of("mean")).abs() < 1e-12);

    let cost = ["eval", "cost", "-r", "8", "--tokens", "16", "--repetitions", "1"];
    let json = dir.run(&[&cost[..], &["--json"]].concat()).expect(0).json();
    let load = &json["loads"][0];
    let stages: Vec<&str> =
        load["stages"].as_array().unwrap().iter().map(|stage| stage[0].as_str().unwrap()).collect();
    assert_eq!(
        stages,
        ["encode", "prefill", "prefill_text", "first_token", "decode", "decode_text"]
    );
    // Fifteen tokens come behind the first.
    assert_eq!(load["stages"][5][1]["tokens"], 15);
    if cfg!(target_os = "linux") {
        let peak = load["peak_bytes"].as_u64().unwrap();
        assert!(peak > load["text_cache_bytes"].as_u64().unwrap() && peak < 4 << 30, "{peak}");
    }
    let csv = dir.run(&[&cost[..], &["--csv"]].concat()).expect(0).text();
    assert!(csv.lines().next().unwrap().contains(",peak_bytes,text_bytes,stored_bytes,model,"));
}
