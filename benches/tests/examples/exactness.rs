//! What exact compression costs, and the plot of it.

use std::path::{Path, PathBuf};

use crate::{example, number, root, tables};

/// The first characters of a committed sample.
fn sample(name: &str, characters: usize) -> String {
    let file = root().join(format!("fixtures/samples/{name}.jsonl"));
    let lines = std::fs::read_to_string(file).unwrap();
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    first["text"].as_str().unwrap().chars().take(characters).collect()
}

/// A corpus file of one document for each language, and its index beside it.
fn corpus(folder: &Path, name: &str, documents: &[(&str, String)]) -> PathBuf {
    let (mut text, mut index) = (String::new(), "start\tlength\tlanguage\n".to_owned());
    for (language, document) in documents {
        index += &format!("{}\t{}\t{language}\n", text.len(), document.len());
        text += document;
    }
    let file = folder.join(name);
    std::fs::write(file.with_extension("idx.tsv"), index).unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn every_kind_of_text_at_two_ratios() {
    let folder = tempfile::tempdir().unwrap();
    let own = [
        ("en", sample("en-prose", 300)),
        ("zh", sample("zh-classical", 80)),
        ("code", sample("code", 200)),
    ];
    let held_out = corpus(folder.path(), "test.txt", &own);
    let other = corpus(folder.path(), "ood.txt", &[("en", sample("en-ood", 200))]);
    let plot = folder.path().join("plot.svg");
    let [held_out, other, plot] = [&held_out, &other, &plot].map(|path| path.to_str().unwrap());
    let args = ["--held-out", held_out, "--out-of-domain", other, "--ratios", "4,16"];
    let more = ["--segments", "14", "--plot", plot];
    let text = example("exactness", &[&args[..], &more].concat(), "").text();

    let kinds = [
        "shuffled words",
        "prose",
        "out of domain",
        "Chinese",
        "code",
        "random letters",
        "binary",
        "all",
    ];
    let tables = tables(&text);
    let [table] = &tables[..] else { panic!("{text}") };
    assert_eq!(table.len(), 1 + 2 * kinds.len(), "{text}");
    assert!(table.iter().all(|row| row.len() == 12), "{text}");
    for (at, row) in table[1..].iter().enumerate() {
        let ratio = [4.0, 16.0][at % 2];
        assert_eq!((row[0], number(row[1])), (kinds[at / 2], ratio), "{text}");
        assert_eq!(number(row[2]), if row[0] == "all" { 7.0 } else { 1.0 }, "{row:?}");
        assert_eq!(row[3], "100.00%", "{row:?}");
        assert!((0.0..=100.0).contains(&number(row[4])), "{row:?}");
        // Latents, markers and all else cost positions; what would cost too many is kept as text.
        let nominal = if row[7] == "–" { ratio } else { number(row[7]) };
        let honest = number(row[8]);
        assert!(nominal <= ratio && (1.0..=ratio).contains(&honest), "{row:?}");
        let (low, high) = row[9].split_once('–').unwrap();
        assert!((number(low)..=number(high)).contains(&honest), "{row:?}");
        assert!((0.0..=100.0).contains(&number(row[10])), "{row:?}");
        assert_eq!(row[11], format!("{0} of {0}", row[2]), "{row:?}");
    }
    assert!(text.contains("\n14 of 14 segments came back byte for byte.\n"), "{text}");

    let plot = std::fs::read_to_string(plot).unwrap();
    assert!(plot.starts_with("<svg ") && plot.trim_end().ends_with("</svg>"), "{plot}");
    assert!(kinds[..7].iter().all(|kind| plot.contains(&format!("\n{kind}\n"))), "{plot}");
}

#[test]
fn a_corpus_without_its_index_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.txt");
    std::fs::write(&file, "text").unwrap();
    let file = file.to_str().unwrap();
    let said = example("exactness", &["--held-out", file, "--out-of-domain", file], "").failure();
    assert!(said.contains("test.idx.tsv"), "{said}");
    assert!(example("exactness", &["--held-out", file], "").failure().contains("--out-of-domain"));
}
