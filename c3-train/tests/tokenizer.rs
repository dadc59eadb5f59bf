//! A vocabulary learnt from a text, as a model uses it.

use std::path::Path;

use c3_nn::Tokenizer;
use c3_train::train_tokenizer;

#[test]
fn it_spells_every_text_and_knows_what_is_frequent() {
    let folder = tempfile::tempdir().unwrap();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/moby-dick.txt");
    let json = train_tokenizer(std::slice::from_ref(&text), 400).unwrap();
    let tokenizer = Tokenizer::from_json("tokenizer.json", json.as_bytes()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 400);
    let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<imgpad>"];
    assert_eq!(tokenizer.require_special(&special).unwrap(), [394, 395, 396, 397, 398, 399]);
    let spelled = |text: &str| {
        let ids = tokenizer.encode(text).unwrap();
        let bytes = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap().to_vec());
        (ids.len(), String::from_utf8(bytes.collect()).unwrap())
    };
    for other in ["", "naïve café 你好 🐋\r\n\t x", "whenever it is a damp, drizzly November"]
    {
        assert_eq!(spelled(other).1, other);
    }
    let book = std::fs::read_to_string(&text).unwrap();
    // In JSON the same text gives the same vocabulary.
    let lines = folder.path().join("lines.jsonl");
    std::fs::write(&lines, serde_json::json!({ "text": book.trim_end() }).to_string()).unwrap();
    assert_eq!(train_tokenizer(&[lines], 400).unwrap(), json);
    let (tokens, same) = spelled(&book);
    assert_eq!(same, book);
    assert!(tokens < book.len() * 6 / 10, "{tokens} tokens for {} bytes", book.len());
    assert_eq!(tokenizer.encode(" the").unwrap().len(), 1);
}

#[test]
fn what_can_not_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "text").unwrap();
    let refusal = |vocabulary| {
        let texts = std::slice::from_ref(&text);
        train_tokenizer(texts, vocabulary).unwrap_err().to_string()
    };
    assert_eq!(refusal(261), "vocabulary: expected at least 262, found 261");
    std::fs::write(&text, "").unwrap();
    assert!(refusal(300).contains("has 0 tokens of text"), "{}", refusal(300));
    std::fs::write(&text, b"\xff").unwrap();
    assert!(refusal(300).contains("reading as UTF-8 failed"), "{}", refusal(300));
}
