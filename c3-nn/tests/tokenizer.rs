//! The tokenizer against the Python library's ids, in both of its file forms.

use std::path::{Path, PathBuf};

use c3_nn::{Error, TextStream, Tokenizer};
use proptest::prelude::*;

#[derive(serde::Deserialize)]
struct Golden {
    text: String,
    c3_tiny: Vec<u32>,
    qwen2_5: Vec<u32>,
}

fn goldens() -> Vec<Golden> {
    include_str!("fixtures/tokenizer_golden.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn tiny_json() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/c3-tiny/tokenizer.json");
    std::fs::read(path).unwrap()
}

fn tiny() -> Tokenizer {
    Tokenizer::from_json("tokenizer.json", &tiny_json()).unwrap()
}

const TINY_TIKTOKEN: &[u8] = include_bytes!("fixtures/c3-tiny.tiktoken");

fn tiny_tiktoken() -> Tokenizer {
    Tokenizer::from_tiktoken("qwen.tiktoken", TINY_TIKTOKEN).unwrap()
}

fn identity(tokenizer: &Tokenizer) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    tokenizer.visit_identity(&mut |field, bytes| fields.push((field.to_owned(), bytes.to_vec())));
    fields
}

#[test]
fn ids_are_the_python_librarys() {
    let goldens = goldens();
    assert!(goldens.len() >= 100);
    for (form, tokenizer) in [("json", tiny()), ("tiktoken", tiny_tiktoken())] {
        for golden in &goldens {
            let ids = tokenizer.encode(&golden.text).unwrap();
            assert_eq!(ids, golden.c3_tiny, "{form}: {:?}", golden.text);
        }
    }
}

/// The files of Qwen2.5 are too large to keep here. `C3_QWEN_TOKENIZER_DIR` names a folder with
/// its `tokenizer.json` and `qwen.tiktoken`, and, if wanted, more texts in `*.txt`.
#[test]
#[ignore = "needs Qwen2.5's tokenizer files in C3_QWEN_TOKENIZER_DIR"]
fn both_forms_of_qwen2_5_give_the_python_librarys_ids() {
    let dir = PathBuf::from(std::env::var_os("C3_QWEN_TOKENIZER_DIR").expect("the folder"));
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let json = Tokenizer::from_json("tokenizer.json", &read("tokenizer.json")).unwrap();
    let tiktoken = Tokenizer::from_tiktoken("qwen.tiktoken", &read("qwen.tiktoken")).unwrap();
    for golden in goldens() {
        assert_eq!(json.encode(&golden.text).unwrap(), golden.qwen2_5, "{:?}", golden.text);
        assert_eq!(tiktoken.encode(&golden.text).unwrap(), golden.qwen2_5, "{:?}", golden.text);
    }
    for text in texts_in(&dir) {
        assert_eq!(json.encode(&text).unwrap(), tiktoken.encode(&text).unwrap(), "{text:?}");
    }
    let names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<imgpad>"];
    let ids = tiktoken.require_special(&names).unwrap();
    assert_eq!(ids, [151_643, 151_644, 151_645, 151_857, 151_858, 151_859]);
    assert_eq!(tiktoken.vocab_size(), 151_860);
    assert_eq!(identity(&json)[0].1[..900_000], identity(&tiktoken)[0].1[..900_000]);
}

fn texts_in(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn text_never_becomes_a_special_token() {
    for tokenizer in [tiny(), tiny_tiktoken()] {
        for name in ["<img>", "</img>", "<imgpad>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"] {
            let special = tokenizer.special(name).unwrap();
            let text = format!("a{name}b {name}{name}");
            let ids = tokenizer.encode(&text).unwrap();
            assert!(!ids.contains(&special), "{name}");
            assert_eq!(tokenizer.decode_lossy(&ids), text);
        }
    }
}

#[test]
fn a_special_token_in_the_vocabulary_is_out_of_reach() {
    let mut file: serde_json::Value = serde_json::from_slice(&tiny_json()).unwrap();
    file["model"]["vocab"]["<img"] = 8190.into();
    file["model"]["ignore_merges"] = true.into();
    file["added_tokens"][4]["content"] = "<img".into();
    file["added_tokens"][4]["special"] = false.into();
    let tokenizer =
        Tokenizer::from_json("tokenizer.json", &serde_json::to_vec(&file).unwrap()).unwrap();
    assert_eq!(tokenizer.special("<img"), Some(8190));
    let ids = tokenizer.encode("<img").unwrap();
    assert!(!ids.contains(&8190));
    assert_eq!(tokenizer.decode_lossy(&ids), "<img");
}

#[test]
fn both_forms_have_one_identity() {
    let tiktoken = tiny_tiktoken();
    let mut file: serde_json::Value = serde_json::from_slice(&tiny_json()).unwrap();
    assert_ne!(identity(&tiny()), identity(&tiktoken), "other special tokens");
    let extras = (0..205).map(|i| format!("<|extra_{i}|>"));
    let names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(String::from).into_iter();
    let after =
        ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"];
    let names = names.chain(extras).chain(after.map(String::from));
    file["added_tokens"] = (8186..)
        .zip(names)
        .map(|(id, content): (u32, String)| serde_json::json!({"id": id, "content": content}))
        .collect();
    let json = Tokenizer::from_json("", &serde_json::to_vec(&file).unwrap()).unwrap();
    assert_eq!(identity(&json), identity(&tiktoken));
    assert_eq!(json.vocab_size(), 8186 + 217);

    // One byte of one token changes it.
    let text = std::str::from_utf8(TINY_TIKTOKEN).unwrap();
    let other = text.replacen("IGRpcg== 8185", "IGRpeg== 8185", 1);
    assert_ne!(other, text);
    let other = Tokenizer::from_tiktoken("", other.as_bytes()).unwrap();
    assert_ne!(identity(&other), identity(&tiktoken));
}

#[test]
fn special_tokens_are_found_by_name() {
    let tokenizer = tiny();
    assert_eq!(tokenizer.special("<img>"), Some(8189));
    assert_eq!(tokenizer.special("the"), None);
    assert_eq!(tokenizer.require_special(&["<imgpad>", "<img>"]).unwrap(), [8191, 8189]);
    match tokenizer.require_special(&["<img>", "<quad>"]) {
        Err(Error::MissingSpecialToken { token, needed }) => {
            assert_eq!((token.as_str(), needed.as_str()), ("<quad>", "<img> <quad>"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_of_tokens() {
    let tokenizer = tiny();
    assert_eq!(tokenizer.vocab_size(), 8192);
    assert_eq!(tokenizer.token_bytes(0), Some(&b"!"[..]));
    assert_eq!(tokenizer.token_bytes(8185), Some(&b" dir"[..]));
    assert_eq!(tokenizer.token_bytes(8189), None, "special");
    assert_eq!(tokenizer.token_bytes(8192), None);
    assert_eq!(tokenizer.token_bytes(u32::MAX), None);
    let singles: std::collections::HashSet<&[u8]> =
        (0..8192).filter_map(|id| tokenizer.token_bytes(id)).filter(|b| b.len() == 1).collect();
    assert_eq!(singles.len(), 256);
    assert_eq!(tokenizer.decode_lossy(&[8189, 0, 9999, 0]), "!!");
}

#[test]
fn long_runs_are_neither_slow_nor_wrong() {
    let tokenizer = tiny();
    let start = std::time::Instant::now();
    for text in [
        " ".repeat(1 << 20) + "a b",
        "\n".repeat(1 << 20) + "a b",
        "\t \n".repeat(1 << 18) + "a b",
        "a".repeat(100_000),
        "字".repeat(100_000),
    ] {
        let ids = tokenizer.encode(&text).unwrap();
        assert!(tokenizer.decode_lossy(&ids) == text);
        let tail = tokenizer.encode("a b").unwrap();
        assert!(!text.ends_with("a b") || ids.ends_with(&tail[1..]), "the last word is its own");
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// The text as the tokenizer keeps it.
fn nfc(text: &str) -> String {
    let mut normalized = tokenizers::NormalizedString::from(text);
    normalized.nfc();
    normalized.get().to_owned()
}

fn any_text() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        "\\PC{0,4}",
        "[a-z ]{0,12}",
        "[\u{300}-\u{36f}]{1,3}",
        "[\u{4e00}-\u{9fff}。！]{0,6}",
        "[\u{1f1e6}-\u{1f1ff}\u{1f3fb}-\u{1f3ff}\u{1f466}-\u{1f469}\u{200d}\u{fe0f}]{0,6}",
        "[ \t\r\n\u{a0}\u{3000}]{0,8}",
        proptest::string::string_regex("(<img>|</img>|<\\|im_end\\|>|'s|\\x00)").unwrap(),
    ];
    proptest::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ids_hold_the_whole_text(text in any_text()) {
        let tokenizer = tiny();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokenizer.decode_lossy(&ids), nfc(&text));
        prop_assert_eq!(&tiny_tiktoken().encode(&text).unwrap(), &ids);
    }

    #[test]
    fn offsets_are_in_order_and_cover_the_text(text in any_text()) {
        let tokenizer = tiny();
        let tokens = tokenizer.encode_with_offsets(&text).unwrap();
        let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
        prop_assert_eq!(ids, tokenizer.encode(&text).unwrap());
        let mut end = 0;
        for (_, range) in &tokens {
            prop_assert!(text.get(range.clone()).is_some(), "{:?} cuts a character", range);
            prop_assert!(range.start <= end, "a gap before {:?}", range);
            end = end.max(range.end);
        }
        prop_assert_eq!(end, text.len());
    }

    #[test]
    fn streamed_text_is_the_lossy_text(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0xe4), Just(0xbd), Just(0xa0), Just(0xf0), Just(0x9f)],
            0..60,
        ),
        sizes in proptest::collection::vec(1usize..5, 60),
    ) {
        let mut stream = TextStream::new();
        let mut text = String::new();
        let mut rest = bytes.as_slice();
        for size in sizes {
            let (now, later) = rest.split_at(size.min(rest.len()));
            text += &stream.push(now);
            rest = later;
        }
        text += &stream.push(rest);
        text += &stream.finish();
        prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_stream_keeps_an_incomplete_character_back() {
    let mut stream = TextStream::new();
    assert_eq!(stream.push("a😀".as_bytes().split_last().unwrap().1), "a");
    assert_eq!(stream.clone().finish(), "\u{fffd}");
    assert_eq!(stream.push(&[0x80]), "😀");
    assert_eq!(stream.push(&[0xe4, 0xbd]), "");
    assert_eq!(stream.push(b"!"), "\u{fffd}!");
    assert_eq!(stream.finish(), "");
}

#[test]
fn older_files_write_merges_in_lines() {
    let mut file: serde_json::Value = serde_json::from_slice(&tiny_json()).unwrap();
    for merge in file["model"]["merges"].as_array_mut().unwrap() {
        *merge = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()).into();
    }
    let lines = Tokenizer::from_json("", &serde_json::to_vec(&file).unwrap()).unwrap();
    for golden in goldens() {
        assert_eq!(lines.encode(&golden.text).unwrap(), golden.c3_tiny);
    }
}

#[test]
fn refused_json_names_the_reason() {
    let change = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut file: serde_json::Value = serde_json::from_slice(&tiny_json()).unwrap();
        edit(&mut file);
        serde_json::to_vec(&file).unwrap()
    };
    type Edit = dyn Fn(&mut serde_json::Value);
    let cases: [(&Edit, &str); 19] = [
        (&|f| f["model"]["type"] = "WordPiece".into(), "WordPiece"),
        (&|f| f["model"]["dropout"] = 0.1.into(), "dropout"),
        (&|f| f["model"]["end_of_word_suffix"] = "</w>".into(), "end_of_word_suffix"),
        (&|f| f["normalizer"] = serde_json::json!({"type": "Lowercase"}), "normalizer"),
        (&|f| f["pre_tokenizer"] = serde_json::Value::Null, "pre_tokenizer"),
        (&|f| f["pre_tokenizer"] = serde_json::json!({"type": "Whitespace"}), "ByteLevel"),
        (
            &|f| f["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true.into(),
            "add_prefix_space",
        ),
        (
            &|f| f["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed".into(),
            "keep the text",
        ),
        (&|f| f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(".into(), ""),
        (&|f| f["model"]["vocab"]["the"] = 0.into(), "id 0"),
        (&|f| f["model"]["vocab"]["the"] = u32::MAX.into(), "4294967295"),
        (&|f| f["model"]["vocab"]["a b"] = 8192.into(), "alphabet"),
        (&|f| f["added_tokens"][0]["id"] = 17.into(), "id 17"),
        (&|f| f["added_tokens"][0]["content"] = "<img>".into(), "twice"),
        (&|f| f["model"]["merges"][7000] = serde_json::json!(["qqqqqqqqqqqqqqqq", "x"]), "qqqq"),
        (&|f| f["model"]["merges"][7000] = serde_json::json!(["a"]), "two tokens"),
        (&|f| f["model"]["merges"][7000] = serde_json::json!(["a", "b", "c"]), "two tokens"),
        (&|f| f["model"]["merges"][7000] = "a b c".into(), "two tokens"),
        (&|f| f["model"]["merges"][7000] = "a".into(), "two tokens"),
    ];
    for (edit, reason) in cases {
        match Tokenizer::from_json("tokenizer.json", &change(edit)) {
            Err(Error::Tokenizer { file, reason: found }) => {
                assert_eq!(file, "tokenizer.json");
                assert!(found.contains(reason), "{reason}: {found}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
    let json = tiny_json();
    for bytes in [&json[..0], &json[..1000], &json[..json.len() - 2], &[0xff, 0xfe], b"{}", b"[]"] {
        assert!(matches!(Tokenizer::from_json("", bytes), Err(Error::Tokenizer { .. })));
    }
}

#[test]
fn refused_tiktoken_names_the_line() {
    let text = std::str::from_utf8(TINY_TIKTOKEN).unwrap();
    let long = format!("{} 8185", "QUFB".repeat(1000));
    for (from, to, reason) in [
        ("IGRpcg== 8185", "IGRpcg==", "line 8186"),
        ("IGRpcg== 8185", "IGRpc 8185", "line 8186: not base64"),
        ("IGRpcg== 8185", "IGRpcg== -1", "line 8186: expected a rank"),
        ("IGRpcg== 8185", "IGRpcg== 8186", "rank 8186"),
        ("IGRpcg== 8185", "IGRpcg== 8184", "rank 8184 is there twice"),
        ("IGRpcg== 8185", "IQ== 8185", "ranks 0 and 8185"),
        ("IGRpcg== 8185", " 8185", "token 8185 is empty"),
        ("IGRpcg== 8185", &long, "3000 bytes"),
        ("IQ== 0\n", "IiI= 0\n", "single byte 0x21"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        match Tokenizer::from_tiktoken("qwen.tiktoken", changed.as_bytes()) {
            Err(Error::Tokenizer { reason: found, .. }) => {
                assert!(found.contains(reason), "{reason}: {found}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
    for bytes in [&b""[..], b"\xff", b"{}"] {
        assert!(matches!(Tokenizer::from_tiktoken("", bytes), Err(Error::Tokenizer { .. })));
    }
}

#[test]
fn one_tokenizer_serves_many_threads() {
    let tokenizer = tiny();
    let goldens = goldens();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for golden in &goldens {
                    assert_eq!(tokenizer.encode(&golden.text).unwrap(), golden.c3_tiny);
                }
            });
        }
    });
}
