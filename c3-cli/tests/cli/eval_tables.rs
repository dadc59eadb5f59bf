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
    dir.write("c.jsonl", format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]));
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
