//! Texts from files, and what is said of files that have none.

use std::num::NonZeroUsize;
use std::path::Path;

use c3_eval::corpus::{Corpus, Kind, Pages, PassageTokens};

use crate::support::{model, root, samples};

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn texts(corpus: &Corpus) -> Vec<&str> {
    corpus.samples.iter().map(|sample| sample.text.as_str()).collect()
}

#[track_caller]
fn fails(result: c3_eval::Result<Corpus>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn folders_files_and_lines() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "c/b.txt", "second");
    write(dir.path(), "c/a.md", "first");
    write(
        dir.path(),
        "c/sub/z.jsonl",
        "{\"text\": \"third\", \"id\": \"x\"}\n\n{\"text\": \"fourth\"}\n",
    );
    write(dir.path(), "c/ignored.bin", [0xff, 0xfe]);
    write(dir.path(), "c/empty.txt", "");
    let corpus = Corpus::open(&dir.path().join("c")).unwrap();
    assert_eq!(corpus.name, "c");
    assert_eq!(texts(&corpus), ["first", "second", "third", "fourth"]);
    let ids: Vec<&str> = corpus.samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!(ids, ["a.md", "b.txt", "x", "3"]);
    let one = Corpus::open(&dir.path().join("c/b.txt")).unwrap();
    assert_eq!((one.name.as_str(), texts(&one)), ("b", vec!["second"]));
    assert_ne!(one.sha256(), corpus.sha256());
}

#[test]
fn prepared_sets_have_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let text = write(dir.path(), "test.txt", "<|doc|>\nErstes ß\n\n<|doc|>\nzwei\n\n");
    let header = "offset\tbytes\tlang\tsource\tgroup\tid\n";
    let index = format!("{header}8\t9\ten\ts\tg\t1\n27\t4\ten\ts\tg\t2\n");
    write(dir.path(), "test.idx.tsv", index);
    let corpus = Corpus::open(&text).unwrap();
    assert_eq!(texts(&corpus), ["Erstes ß", "zwei"]);
    assert_eq!(corpus.samples[1].id, "s/2");
    for (line, part) in [("8\t900\ten\ts\tg\t1", "line 2"), ("x\t9\ten\ts\tg\t1", "line 2")] {
        write(dir.path(), "test.idx.tsv", format!("{header}{line}\n"));
        fails(Corpus::open(&text), &["test.idx.tsv", part, "six columns"]);
    }
    // Not at the border of a character.
    write(dir.path(), "test.idx.tsv", format!("{header}8\t8\ten\ts\tg\t1\n"));
    fails(Corpus::open(&text), &["test.idx.tsv", "line 2"]);
    write(dir.path(), "test.idx.tsv", "a\tb\n");
    fails(Corpus::open(&text), &["line 1", "offset, bytes, lang"]);
}

#[test]
fn fox_pages_are_read_in_their_published_layout() {
    let dir = tempfile::tempdir().unwrap();
    let page = |image: &str, turns: &str| {
        format!("{{\"image\": \"{image}\", \"conversations\": [{turns}]}}")
    };
    let prompt = r#"{"from": "human", "value": "OCR"}"#;
    let truth = r#"{"from": "gpt", "value": "A page."}"#;
    let both = format!("[{}]", page("en_1.png", &format!("{prompt}, {truth}")));
    write(dir.path(), "en_page_ocr.json", &both);
    let corpus = Corpus::fox(dir.path(), Pages::English).unwrap();
    assert_eq!((texts(&corpus), corpus.samples[0].id.as_str()), (vec!["A page."], "en_1.png"));
    fails(Corpus::fox(dir.path(), Pages::Chinese), &["cn_page_ocr.json"]);
    for (turns, found) in [
        (prompt.to_owned(), "found nothing"),
        (format!("{prompt}, {{\"value\": \" \\n\"}}"), "found no text"),
        (format!("{prompt}, {{\"value\": 3}}"), "found a number"),
    ] {
        write(dir.path(), "en_page_ocr.json", format!("[{}]", page("en_7.png", &turns)));
        fails(
            Corpus::fox(dir.path(), Pages::English),
            &["annotation 0 (en_7.png)", "the page's text", found],
        );
    }
    write(dir.path(), "en_page_ocr.json", "[]");
    fails(Corpus::fox(dir.path(), Pages::English), &["en_page_ocr.json has no text to evaluate"]);
    write(dir.path(), "en_page_ocr.json", b"[{\"image\": \"\xff");
    fails(
        Corpus::fox(dir.path(), Pages::English),
        &["en_page_ocr.json is not UTF-8: invalid byte at offset 12"],
    );
    for bad in ["{}", "[", "not JSON"] {
        write(dir.path(), "en_page_ocr.json", bad);
        fails(
            Corpus::fox(dir.path(), Pages::English),
            &["en_page_ocr.json", "an array of annotations"],
        );
    }
}

#[test]
fn what_has_no_text_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fails(
        Corpus::open(dir.path()),
        &["(.txt, .md and .jsonl files in it) has no text to evaluate"],
    );
    fails(Corpus::open(&dir.path().join("none")), &["can't read", "none"]);
    fails(Corpus::open(&write(dir.path(), "e.jsonl", "\n\n")), &["e.jsonl has no text"]);
    let latin = write(dir.path(), "latin.txt", b"caf\xe9");
    fails(Corpus::open(&latin), &["latin.txt is not UTF-8: invalid byte at offset 3"]);
    let lines = write(dir.path(), "latin.jsonl", b"{\"text\": \"caf\xe9\"}\n");
    fails(Corpus::open(&lines), &["latin.jsonl is not UTF-8: invalid byte at offset 13"]);
    write(dir.path(), "folder/a.txt", "fine");
    write(dir.path(), "folder/sub/b.md", b"not\xfe");
    let folder = Corpus::open(&dir.path().join("folder"));
    fails(folder, &["b.md is not UTF-8: invalid byte at offset 3"]);
    for (line, found) in [
        ("[1]", "found an array"),
        ("{\"id\": 1}", "`text` is nothing"),
        ("{\"text\": null}", "`text` is null"),
        ("{\"text\": \"a\"", "EOF"),
    ] {
        let path = write(dir.path(), "bad.jsonl", format!("{{\"text\": \"fine\"}}\n{line}\n"));
        fails(Corpus::open(&path), &["bad.jsonl, line 2", "an object with a string `text`", found]);
    }
}

const ONE: NonZeroUsize = NonZeroUsize::MIN;

#[test]
fn limits_and_passages_are_drawn_with_a_fixed_seed() {
    let corpus = samples("en-prose", usize::MAX);
    let (mut some, mut again) = (corpus.clone(), corpus.clone());
    some.limit(20);
    again.limit(20);
    assert_eq!(some, again);
    assert_eq!(some.samples.len(), 20);
    assert!(some.samples.iter().all(|sample| corpus.samples.contains(sample)));

    let tokenizer = model().tokenizer();
    let tokens = PassageTokens { least: 32, most: 48 };
    let passages = corpus.passages(tokenizer, tokens, ONE).unwrap();
    assert_eq!(passages, corpus.passages(tokenizer, tokens, ONE).unwrap());
    assert!(passages.samples.len() > 150);
    for passage in &passages.samples {
        let length = tokenizer.encode(&passage.text).unwrap().len();
        assert!((32..=48).contains(&length), "{length}: {}", passage.text);
        let from = |sample: &c3_eval::corpus::Sample| sample.text.contains(&passage.text);
        assert!(corpus.samples.iter().any(from), "{}", passage.text);
    }
    let more = corpus.passages(tokenizer, tokens, NonZeroUsize::new(3).unwrap()).unwrap();
    assert!(more.samples.len() > 2 * passages.samples.len());
    let third = more.samples.iter().filter(|sample| sample.id.ends_with(" (3)")).count();
    assert!(third > passages.samples.len() / 2, "{third}");
    let none = corpus.passages(tokenizer, PassageTokens { least: 5000, most: 6000 }, ONE);
    assert!(none.unwrap_err().to_string().contains("5000 tokens or more"));
}

#[test]
fn unguessable_texts_are_as_long_as_plain_ones() {
    let tokenizer = model().tokenizer();
    for name in ["en-prose", "zh-classical"] {
        let plain = samples(name, 20);
        for kind in Kind::ALL {
            let made = plain.unguessable(kind, tokenizer).unwrap();
            assert_eq!(made.kind, Some(kind));
            assert_eq!(made, plain.unguessable(kind, tokenizer).unwrap());
            assert_eq!(made.samples.len() + made.left_out, plain.samples.len());
            assert!(2 * made.left_out < plain.samples.len(), "{kind}: {}", made.left_out);
            for made in &made.samples {
                let plain = plain.samples.iter().find(|plain| plain.id == made.id).unwrap();
                assert_eq!(made.document, plain.document);
                assert_ne!(made.text, plain.text);
                let length = |text| tokenizer.encode(text).unwrap().len();
                let (length, plain) = (length(&made.text), length(&plain.text));
                assert!(length <= plain, "{kind}: {length} tokens of {plain}");
                assert!(2 * length >= plain, "{kind}: {length} tokens of {plain}");
            }
        }
    }
}

#[test]
fn a_text_that_would_stay_as_it_is_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let lines = ["One came. Two went.", "Only one came, and none went.", "Three. Four. Five."]
        .map(|text| serde_json::json!({ "text": text }).to_string());
    let plain = Corpus::open(&write(dir.path(), "c.jsonl", lines.join("\n"))).unwrap();
    let tokenizer = model().tokenizer();
    let made = plain.unguessable(Kind::SentenceShuffle, tokenizer).unwrap();
    let ids: Vec<&str> = made.samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!((ids, made.left_out), (vec!["1", "3"], 1));
    let single = Corpus { samples: plain.samples[1..2].to_vec(), ..plain.clone() };
    let made = single.unguessable(Kind::SentenceShuffle, tokenizer).unwrap();
    assert_eq!((made.samples.len(), made.left_out), (0, 1));
    assert_eq!(plain.unguessable(Kind::WordShuffle, tokenizer).unwrap().left_out, 0);
}

#[test]
fn texts_of_one_id_are_of_one_document() {
    let dir = tempfile::tempdir().unwrap();
    let line = |id: &str, text: &str| serde_json::json!({ "id": id, "text": text }).to_string();
    let lines = [line("a", "one"), line("b", "two"), line("a", "three")].join("\n");
    let corpus = Corpus::open(&write(dir.path(), "c.jsonl", lines)).unwrap();
    let named: Vec<(&str, &str)> =
        corpus.samples.iter().map(|s| (s.id.as_str(), s.document.as_str())).collect();
    assert_eq!(named, [("a", "a"), ("b", "b"), ("a (2)", "a")]);
    assert_eq!(corpus.documents(), 2);
    // Passages are of their text's document.
    let prose = samples("en-prose", 5);
    let tokens = PassageTokens { least: 16, most: 24 };
    let three = NonZeroUsize::new(3).unwrap();
    let passages = prose.passages(model().tokenizer(), tokens, three).unwrap();
    assert_eq!(passages.documents(), prose.documents());
    assert!(passages.samples.len() > 2 * prose.documents());
}

#[test]
fn the_samples_in_the_repository_are_corpora() {
    for name in ["en-prose", "en-shuffled", "zh-classical", "code"] {
        let path = root().join(format!("fixtures/samples/{name}.jsonl"));
        assert_eq!(Corpus::open(&path).unwrap().samples.len(), 200, "{name}");
    }
}
